import { describe, expect, it } from 'vitest';
import { testSettings } from '../testing.js';
import { hostsFile, resolvFile } from './network-files.js';

const own = { networkNamespace: '/run/netns/x' };

describe('/etc/hosts', () => {
  it('has localhost, further hosts and the container itself', () => {
    const text = hostsFile(
      testSettings({ ...own, hosts: ['10.0.0.9  db db.local'], addresses: ['10.0.1.2/24'] }),
      'box',
      '# of the node',
    );
    expect(text).toMatch(/^127\.0\.0\.1\tlocalhost\n/);
    expect(text).toContain('10.0.0.9\tdb db.local\n10.0.1.2\tbox\n');
    expect(text).not.toContain('of the node');
  });

  it("is the node's in the node's network", () => {
    const node = '127.0.0.1\tlocalhost\n10.1.1.1\tnode\n';
    expect(hostsFile(testSettings({ hosts: ['10.0.0.9 db'] }), 'box', node)).toBe(`${node}10.0.0.9\tdb\n`);
  });
});

describe('/etc/resolv.conf', () => {
  const node = '# x\nnameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch example.com\noptions edns0\n';

  it('is what the settings say, and for the rest the node’s', () => {
    const dns = { nameservers: ['127.0.0.11'], search: [], options: ['ndots:0'] };
    expect(resolvFile(testSettings({ ...own, dns }), node)).toBe(
      'nameserver 127.0.0.11\nsearch example.com\noptions ndots:0\n',
    );
  });

  it('leaves out what a container cannot reach', () => {
    expect(resolvFile(testSettings(own), node)).toBe('nameserver 9.9.9.9\nsearch example.com\noptions edns0\n');
    expect(resolvFile(testSettings(), node)).toContain('nameserver 127.0.0.53\n');
  });
});
