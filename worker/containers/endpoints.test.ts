import { expect, it } from 'vitest';
import {
  ContainerConfig,
  ContainerEndpoint,
  ContainerNetwork,
  ContainerSpec,
  PortConfig,
  StoredEndpoint,
} from '../../proto/gen/index.js';
import { checkMac, networkMode, nextInterface } from './endpoints.js';

const modeOf = (networks: Partial<ContainerNetwork>[], fields: Partial<ContainerConfig> = {}) =>
  networkMode(
    ContainerConfig.create({ networks: networks.map((network) => ContainerNetwork.create(network)), ...fields }),
  );

it('networkMode - is of networks, of the machine, of nothing or of another container', () => {
  expect(modeOf([])).toEqual({ kind: 'networks' });
  expect(modeOf([{ network: 'front' }, { network: 'back' }])).toEqual({ kind: 'networks' });
  expect(modeOf([{ network: 'host' }])).toEqual({ kind: 'host' });
  expect(modeOf([{ network: 'none' }])).toEqual({ kind: 'none' });
  expect(modeOf([{ network: 'container:db' }])).toEqual({ kind: 'container', ref: 'db' });
});

it('networkMode - what cannot be had together is refused', () => {
  expect(() => modeOf([{ network: 'front' }, { network: 'host' }])).toThrow('in network host and in another');
  expect(() => modeOf([{ network: 'host', ipv4Address: '10.0.0.2' }])).toThrow('no addresses and aliases');
  const shared = [{ network: 'container:db' }];
  expect(() => modeOf(shared, { ports: [PortConfig.create({ targetPort: 80 })] })).toThrow('port publishing');
  expect(() => modeOf(shared, { container: ContainerSpec.create({ hostname: 'x' }) })).toThrow('hostname');
});

it('nextInterface - is the lowest that is free', () => {
  const named = (name: string) => StoredEndpoint.create({ endpoint: ContainerEndpoint.create({ interface: name }) });
  expect(nextInterface([])).toBe('eth0');
  expect(nextInterface([named('eth0'), named('eth2')])).toBe('eth1');
});

it('checkMac - takes addresses of one interface alone', () => {
  for (const good of ['', '02:42:ac:11:00:02', '9E:00:00:00:00:01']) expect(() => checkMac(good)).not.toThrow();
  for (const bad of ['02:42', '03:42:ac:11:00:02', '02-42-ac-11-00-02']) expect(() => checkMac(bad)).toThrow(bad);
});
