import { Counter, Gauge, type Metric, Registry } from 'prom-client';
import type { DistributionCounts } from '../../lib/distribution.js';
import { catalog, type Description, type MetricName } from './catalog.js';

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** What was measured at one moment. What has no part in a node's roles is left out. */
export class Measurement {
  readonly #samples = new Map<MetricName, Sample[]>();
  readonly #distributions = new Map<MetricName, DistributionCounts>();

  set(name: MetricName, value: number, labels: Labels = {}): void {
    const samples = this.#samples.get(name);
    if (samples) samples.push({ labels, value });
    else this.#samples.set(name, [{ labels, value }]);
  }

  distribution(name: MetricName, counts: DistributionCounts): void {
    this.#distributions.set(name, counts);
  }

  /** In the text format of Prometheus, in the order of the catalog. */
  async text(): Promise<string> {
    const registry = new Registry();
    for (const name of Object.keys(catalog) as MetricName[]) {
      const samples = this.#samples.get(name);
      if (samples) addSamples(registry, name, samples);
      const counts = this.#distributions.get(name);
      if (counts) registry.registerMetric(histogram(name, counts));
    }
    return registry.metrics();
  }
}

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

function addSamples(registry: Registry, name: MetricName, samples: readonly Sample[]): void {
  const { type, help, labels = [] }: Description = catalog[name];
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  if (type === 'counter') {
    const counter = new Counter(options);
    for (const sample of samples) counter.inc({ ...sample.labels }, sample.value);
  } else {
    const gauge = new Gauge(options);
    for (const sample of samples) gauge.set({ ...sample.labels }, sample.value);
  }
}

/** Of prom-client's own histograms none can be given what was counted elsewhere; its registry asks no more than this. */
function histogram(name: MetricName, { buckets, count, sum }: DistributionCounts): Metric {
  const { help } = catalog[name];
  const bucket = (le: number | string, value: number) => ({ labels: { le }, value, metricName: `${name}_bucket` });
  const values = [
    ...buckets.map(({ upTo, count: within }) => bucket(upTo, within)),
    bucket('+Inf', count),
    { labels: {}, value: sum, metricName: `${name}_sum` },
    { labels: {}, value: count, metricName: `${name}_count` },
  ];
  return { name, get: async () => ({ name, help, type: 'histogram', aggregator: 'sum', values }) } as unknown as Metric;
}
