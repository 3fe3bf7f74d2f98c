import { expect, test } from 'vitest';
import { Protocol } from '../../proto/gen/index.js';
import { lostContainers, nodeProblems } from './problems.js';

test('nodeProblems - with the port that it is about, and where that is published', () => {
  const subject = { kind: 'ingress', id: 'net' } as const;
  const port = { protocol: 'udp', published: 53, hostAddress: 'fd00::1' } as const;
  const problems = [
    { subject, message: 'port 53/udp of fd00::1 is in use by a process', port },
    { subject, message: 'no vxlan' },
  ];
  expect(nodeProblems(problems, ({ kind }) => kind)).toMatchObject([
    { subject: 'ingress', publishedPort: 53, protocol: Protocol.UDP, hostAddress: 'fd00::1' },
    { subject: 'ingress', message: 'no vxlan', publishedPort: 0, hostAddress: '' },
  ]);
});

test('lostContainers - where the record is, and until when the data is kept', () => {
  expect(lostContainers(new Map([['c0ffee', '/var/lib/tsswarm/local/containers/unreadable/c0ffee']]))).toMatchObject([
    { subject: 'container c0ffee', message: expect.stringContaining('/local/containers/unreadable/c0ffee now') },
  ]);
});
