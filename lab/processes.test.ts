import { expect, test } from 'vitest';
import { labLayout, nodeLayout } from './layout.js';
import { isContainer, isDaemon, type Process } from './processes.js';

const lab = labLayout('lab');
const blue = labLayout('blue');

const process = (argv: string, ...cgroups: string[]): Process => ({
  pid: 1,
  parent: 0,
  argv: argv.split(' '),
  cgroups,
  networkNamespace: 1,
});
const daemon = (runRoot: string) =>
  process(`node --max-semi-space-size=4 /opt/bin/tsswarmd --data-root /x --run-root ${runRoot} --log-level info`);

test('isDaemon - of a lab, of one node of it, never the machine’s own', () => {
  expect(isDaemon(daemon('/run/tsswarm/lab/node1'), lab)).toBe(true);
  expect(isDaemon(daemon('/run/tsswarm/lab/node1'), nodeLayout(lab, 1))).toBe(true);
  expect(isDaemon(daemon('/run/tsswarm/lab/node11'), nodeLayout(lab, 1))).toBe(false);
  expect(isDaemon(daemon('/run/tsswarm/labs/blue/node1'), lab)).toBe(false);
  expect(isDaemon(daemon('/run/tsswarm/labs/blue/node1'), blue)).toBe(true);
  expect(isDaemon(daemon('/run/tsswarm'), lab)).toBe(false);
  expect(isDaemon(process('node /opt/bin/tsswarmd'), lab)).toBe(false);
  expect(isDaemon(process('man tsswarmd.8 tsswarmd --run-root /run/tsswarm/lab/node1'), lab)).toBe(false);
});

test('isContainer - by cgroup', () => {
  expect(isContainer(process('httpd', '/', '/tsswarm/lab-node1/abc'), lab)).toBe(true);
  expect(isContainer(process('httpd', '/tsswarm/lab-node1/abc'), nodeLayout(lab, 1))).toBe(true);
  expect(isContainer(process('httpd', '/tsswarm/lab-node11/abc'), nodeLayout(lab, 1))).toBe(false);
  expect(isContainer(process('httpd', '/tsswarm/lab-blue-node1/abc'), lab)).toBe(false);
  expect(isContainer(process('httpd', '/tsswarm/lab-blue-node1/abc'), blue)).toBe(true);
  expect(isContainer(process('httpd', '/tsswarm/abc', '/user.slice'), lab)).toBe(false);
});

test('isContainer - monitors and runtimes at work in the lab’s folders, but nobody who only looks at them', () => {
  expect(isContainer(process('/usr/bin/conmon -b /var/lib/tsswarm/lab/node2/containers/x'), lab)).toBe(true);
  expect(isContainer(process('/usr/bin/conmon -b /var/lib/tsswarm/lab/node2/containers/x'), nodeLayout(lab, 2))).toBe(
    true,
  );
  expect(isContainer(process('/usr/bin/conmon -b /var/lib/tsswarm/lab/node2/containers/x'), nodeLayout(lab, 3))).toBe(
    false,
  );
  expect(isContainer(process('/usr/bin/conmon -b /var/lib/tsswarm/containers/x'), lab)).toBe(false);
  expect(isContainer(process('vi /var/lib/tsswarm/lab/node2/tsswarmd.log'), lab)).toBe(false);
});
