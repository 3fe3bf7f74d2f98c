import { describe, expect, it } from 'vitest';
import { PortConfig, Protocol } from '../../proto/gen/index.js';
import { choosePorts, exposedPort, FIRST_OPEN_PORT, type PublishedAlready } from './ports.js';

const port = (targetPort: number, publishedPort = 0, fields: Partial<PortConfig> = {}) =>
  PortConfig.create({ targetPort, publishedPort, ...fields });
const taken = (published: number, fields: Partial<PublishedAlready> = {}): PublishedAlready => ({
  protocol: 'tcp',
  hostAddress: '',
  published,
  owner: 'container "other"',
  ...fields,
});
const published = (ports: readonly PortConfig[]) => ports.map(({ publishedPort }) => publishedPort);

describe('choosePorts - a port asked for', () => {
  it('is refused with who has it', () => {
    expect(() => choosePorts({ ports: [port(80, 8080)], exposed: [] }, [taken(8080)], [])).toThrow(
      'Bind for 0.0.0.0:8080 failed: port 8080/tcp is in use by container "other"',
    );
    const listener = { protocol: 'tcp', address: '', port: 8080, family: 4 } as const;
    expect(() => choosePorts({ ports: [port(80, 8080)], exposed: [] }, [], [listener])).toThrow(
      'in use by a process of this machine',
    );
    expect(() => choosePorts({ ports: [port(80, 8080), port(81, 8080)], exposed: [] }, [], [])).toThrow(
      'in use by this container itself',
    );
  });

  it('is free on another address or of another protocol', () => {
    const here = port(80, 8080, { hostIp: '127.0.0.1' });
    expect(choosePorts({ ports: [here], exposed: [] }, [taken(8080, { hostAddress: '10.0.0.1' })], [])).toEqual([here]);
    const udp = port(80, 8080, { protocol: Protocol.UDP });
    expect(choosePorts({ ports: [udp], exposed: [] }, [taken(8080)], [])).toEqual([udp]);
    expect(() => choosePorts({ ports: [here], exposed: [] }, [taken(8080)], [])).toThrow('in use');
  });
});

describe('choosePorts - a port left open', () => {
  it('is the next free one, and none that is asked for beside it', () => {
    const ports = [port(80), port(81), port(82, FIRST_OPEN_PORT)];
    expect(published(choosePorts({ ports, exposed: [] }, [taken(FIRST_OPEN_PORT + 1)], []))).toEqual([
      FIRST_OPEN_PORT,
      FIRST_OPEN_PORT + 2,
      FIRST_OPEN_PORT + 3,
    ]);
  });

  it('begins at the cursor, and again at the lowest after the last', () => {
    expect(published(choosePorts({ ports: [port(80), port(81)], exposed: [] }, [], [], 60_999))).toEqual([
      60_999,
      FIRST_OPEN_PORT,
    ]);
  });

  it('of a range is the first that is free', () => {
    const range = port(80, 8080, { publishedLast: 8082 });
    expect(choosePorts({ ports: [range, range], exposed: [] }, [taken(8080)], [])).toEqual([
      port(80, 8081),
      port(80, 8082),
    ]);
    expect(() => choosePorts({ ports: [range, range], exposed: [] }, [taken(8080), taken(8081)], [])).toThrow(
      'no port of 8080-8082 is free for port 80',
    );
  });

  it('is one for each exposed port that is not named', () => {
    const exposed = ['80/tcp', '53/udp'].flatMap((text) => exposedPort(text) ?? []);
    const chosen = choosePorts({ ports: [port(80, 8080)], exposed }, [], []);
    expect(chosen).toMatchObject([
      { targetPort: 80, publishedPort: 8080 },
      { targetPort: 53, publishedPort: FIRST_OPEN_PORT, protocol: Protocol.UDP },
    ]);
  });
});

it('exposedPort - what is no port is none', () => {
  expect(exposedPort('80')).toMatchObject({ targetPort: 80, protocol: Protocol.TCP });
  expect(exposedPort('x/tcp')).toBeUndefined();
  expect(exposedPort('80/quic')).toBeUndefined();
});
