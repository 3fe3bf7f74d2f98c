import { writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { invalidArgument } from '../../lib/errors.js';
import { type NetworkTrace, ProbeSighting, TraceNetworkRequest } from '../../proto/gen/inspections.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { renderInspectedOne } from '../format/list.js';
import { drawTrace } from '../format/trace-drawing.js';
import { traceObject } from '../format/trace-json.js';
import { traceSvg } from '../format/trace-svg.js';

/** The exit code is 0 when the way is complete, 1 when it is broken or a probe got lost on it. */
export async function traceNetwork(context: Context, from: string, to: string, flags: Flags): Promise<void> {
  const request = TraceNetworkRequest.create({
    ...destination(to),
    from,
    task: flags.text('task') ?? '',
    probe: flags.on('probe'),
  });
  const trace = await (await context.tracing()).traceNetwork(request);
  const svg = flags.text('svg');
  if (svg !== undefined) await writeFile(svg, traceSvg(trace));
  const format = flags.text('format');
  const { columns, env } = context.io;
  const isPlain = columns === undefined || flags.has('no-color') || Boolean(env.NO_COLOR);
  context.io.out(
    format === undefined
      ? drawTrace(trace, { plain: isPlain, columns: columns || WIDTH, verbose: flags.on('verbose') })
      : renderInspectedOne(traceObject(trace), format),
  );
  if (!trace.complete || isLost(trace)) context.exitCode = 1;
}

/** Whether a probe was not seen where it should have come by. Whether UDP is answered is the program's business. */
const isLost = ({ hops, protocol }: NetworkTrace): boolean =>
  hops.some(({ sighting, back }) => sighting === ProbeSighting.UNSEEN && !(back && protocol === 'udp'));

const WIDTH = 100;

/** `TO[:PORT][/proto]`. @throws INVALID_ARGUMENT that names the value */
export function destination(text: string): Pick<TraceNetworkRequest, 'to' | 'port' | 'protocol'> {
  const [, rest = '', protocol = ''] = /^(.*?)(?:\/([a-z]+))?$/.exec(text) ?? [];
  const [, prefix = '', end = ''] = /^(node:)?(.*)$/.exec(rest) ?? [];
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(end);
  const plain = /^([^:]*)(?::(\d+))?$/.exec(end);
  const host = bracketed?.[1] ?? plain?.[1] ?? (isIP(end) === 6 ? end : '');
  const port = Number(bracketed?.[2] ?? plain?.[2] ?? 0);
  if (host === '' || port > 65_535)
    throw invalidArgument(`"${text}" is not a destination`, {
      value: text,
      hint: 'A destination looks like api, api:80, 10.0.1.5:53/udp or node:node2.',
    });
  return { to: prefix + host, port, protocol };
}
