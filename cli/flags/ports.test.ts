import { describe, expect, it } from 'vitest';
import { SwarmError } from '../../lib/errors.js';
import { PortConfig, Protocol, PublishMode } from '../../proto/gen/specs.js';
import { matchesPublishRm, parsePublish } from './ports.js';

const port = (fields: Partial<PortConfig>) => PortConfig.create(fields);
const textOf = (value: string): string => {
  try {
    parsePublish(value);
  } catch (error) {
    if (error instanceof SwarmError) return error.text;
    throw error;
  }
  throw new Error(`${value} was taken`);
};

describe('parsePublish - short syntax', () => {
  it.each([
    ['80', [port({ targetPort: 80 })]],
    ['8080:80', [port({ publishedPort: 8080, targetPort: 80 })]],
    [':80', [port({ targetPort: 80 })]],
    ['0:80', [port({ targetPort: 80 })]],
    ['127.0.0.1:0:80', [port({ targetPort: 80, hostIp: '127.0.0.1' })]],
    ['53:53/udp', [port({ publishedPort: 53, targetPort: 53, protocol: Protocol.UDP })]],
    ['53:53/SCTP', [port({ publishedPort: 53, targetPort: 53, protocol: Protocol.SCTP })]],
    ['10.1.2.3:8080:80', [port({ publishedPort: 8080, targetPort: 80, hostIp: '10.1.2.3' })]],
    ['10.1.2.3::80', [port({ targetPort: 80, hostIp: '10.1.2.3' })]],
    ['[fd00::1]:8080:80/tcp', [port({ publishedPort: 8080, targetPort: 80, hostIp: 'fd00::1' })]],
    ['8000-8001:80-81', [port({ publishedPort: 8000, targetPort: 80 }), port({ publishedPort: 8001, targetPort: 81 })]],
    ['8000-8001:80', [port({ publishedPort: 8000, targetPort: 80 }), port({ publishedPort: 8001, targetPort: 80 })]],
  ])('%s', (text, expected) => {
    expect(parsePublish(text)).toEqual(expected);
  });

  it.each([
    ['', '"" is not a port mapping'],
    ['a:80', '"a" is not a port'],
    ['8080:0', '"0" is not a port'],
    ['65536:80', '"65536" is not a port'],
    ['8080:80/icmp', '"icmp" is not a protocol'],
    ['8080:80/', '"" is not a protocol'],
    ['8003-8001:80', 'the range 8003-8001 ends before it begins'],
    ['8000-8002:80-81', 'the ranges 8000-8002 and 80-81 have different lengths'],
    ['host:8080:80', '"host" is not an IP address'],
    ['1:2:3:4', '"1:2:3:4" is not a port mapping'],
    ['1-2-3:80', '"1-2-3" is not a port range'],
  ])('refuses %j', (text, words) => {
    expect(textOf(text)).toContain(words);
  });

  it('says what is allowed', () => {
    expect(textOf('x')).toContain('1 to 65535');
    expect(textOf('80:80/x')).toContain('tcp, udp and sctp');
  });
});

describe('parsePublish - long syntax', () => {
  it('takes all fields', () => {
    expect(
      parsePublish(
        'published=8080,target=80,protocol=udp,mode=host,name=dns,host-ip=10.0.0.1,scheduler=lc,affinity=5m',
      ),
    ).toEqual([
      port({
        publishedPort: 8080,
        targetPort: 80,
        protocol: Protocol.UDP,
        publishMode: PublishMode.HOST,
        name: 'dns',
        hostIp: '10.0.0.1',
        scheduler: 'lc',
        affinityTimeout: 300e9,
      }),
    ]);
  });

  it.each([
    ['target=80', [port({ targetPort: 80 })]],
    ['target=80,published=0', [port({ targetPort: 80 })]],
    [
      'published=8080-8081,target=80-81',
      [port({ publishedPort: 8080, targetPort: 80 }), port({ publishedPort: 8081, targetPort: 81 })],
    ],
    [
      'published=8080-8081,target=80',
      [port({ publishedPort: 8080, targetPort: 80 }), port({ publishedPort: 8081, targetPort: 80 })],
    ],
    ['target=80,published=8080,ip=192.0.2.7', [port({ publishedPort: 8080, targetPort: 80, hostIp: '192.0.2.7' })]],
    ['target=80,published=8080,ip=FD00::0:1', [port({ publishedPort: 8080, targetPort: 80, hostIp: 'fd00::1' })]],
  ])('%s', (text, expected) => {
    expect(parsePublish(text)).toEqual(expected);
  });

  it('in host mode a range for one target is one to choose from', () => {
    const host = { publishMode: PublishMode.HOST };
    expect(parsePublish('published=8080-8090,target=80,mode=host')).toEqual([
      port({ ...host, publishedPort: 8080, publishedLast: 8090, targetPort: 80 }),
    ]);
    expect(parsePublish('published=8080-8081,target=80-81,mode=host')).toEqual([
      port({ ...host, publishedPort: 8080, targetPort: 80 }),
      port({ ...host, publishedPort: 8081, targetPort: 81 }),
    ]);
  });

  it.each([
    ['published=8080', 'the target port is missing'],
    ['target=80,mode=swarm', '"swarm" is not a publish mode'],
    ['target=80,colour=red', 'unexpected key "colour"\nAllowed keys: target, published, protocol, mode, name, ip'],
    ['target=0', '"0" is not a port\nPorts are numbers from 1 to 65535'],
    ['target=80,published=65536', '"65536" is not a port'],
    ['target=80-81,published=8080', 'the ranges 8080 and 80-81 have different lengths: 1 and 2'],
    ['target=80,published=8090-8080', 'the range 8090-8080 ends before it begins\nWrite 8080-8090.'],
    ['target=80,ip=node2', '"node2" is not an IP address'],
    ['target=80,target=81', 'the field "target" is given twice'],
    ['target=80,ip=192.0.2.7,host-ip=192.0.2.8', 'the field "ip" is given twice'],
    ['target=', 'the field "target" has no value'],
    ['target=80,published=x', '"x" is not a port'],
    ['target=80,scheduler=best', '"best" is not a scheduler'],
  ])('refuses %s', (text, words) => {
    expect(textOf(text)).toContain(words);
  });
});

describe('matchesPublishRm', () => {
  const web = port({ publishedPort: 8080, targetPort: 80 });
  it.each([
    ['80', true],
    ['80/tcp', true],
    ['80/udp', false],
    ['8080', false],
    ['8080:80', true],
    ['8081:80', false],
    ['target=80,published=8080', true],
    ['192.0.2.7:8080:80', false],
  ])('%s → %s', (text, expected) => {
    expect(matchesPublishRm(text)(web)).toBe(expected);
  });

  const range = port({ publishedPort: 8080, publishedLast: 8089, targetPort: 80, publishMode: PublishMode.HOST });
  it.each([
    ['80', true],
    ['8080-8089:80', true],
    ['target=80,published=8080-8089,mode=host', true],
    ['8080:80', false],
    ['8081:80', false],
    ['8080-8081:80', false],
  ])('%s of a range from which each node chooses → %s', (text, expected) => {
    expect(matchesPublishRm(text)(range)).toBe(expected);
  });

  it('8080-8089:80 of what all nodes publish - each port of it', () => {
    expect(
      [8079, 8080, 8089].map((publishedPort) => matchesPublishRm('8080-8089:80')({ ...web, publishedPort })),
    ).toEqual([false, true, true]);
  });
});
