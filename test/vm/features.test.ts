import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { probeFeatures } from '../../netlb/probe.js';

const inNamespace = (script: string): string =>
  execFileSync('unshare', ['--net', 'sh', '-ec', script], { encoding: 'utf8', stdio: 'pipe' });

test('features - a full kernel has all that the network code uses, as the tools of each show too', () => {
  expect(inNamespace('ipvsadm -A -f 256 -s rr; ipvsadm -Ln')).toMatch(/FWM +256 rr/);
  const association = 'src 192.0.2.1 dst 192.0.2.2 proto esp spi 4096 mode transport';
  const key = `0x${'07'.repeat(20)}`;
  expect(inNamespace(`ip xfrm state add ${association} aead 'rfc4106(gcm(aes))' ${key} 64; ip xfrm state`)).toContain(
    'proto esp spi 0x00001000',
  );
  expect(inNamespace('nft add table ip try; nft list tables')).toBe('table ip try\n');
  // It has no network device, and so no address.
  expect(probeFeatures().flatMap(({ name, available }) => (available ? [] : [name]))).toEqual(['ipv6 address']);
});
