import { expect, it } from 'vitest';
import { parseResolvConf, resolverSettings } from './resolv-conf.js';

it('leaves out servers that only this node can reach', () => {
  const text = [
    '# made by hand',
    'nameserver 127.0.0.53',
    'nameserver 192.0.2.1 ; first',
    'nameserver ::1',
    'nameserver 2001:db8::1',
    'search old.example',
    'search a.example b.example',
    'options edns0 trust-ad',
  ].join('\n');
  expect(parseResolvConf(text)).toEqual({
    nameservers: ['192.0.2.1', '2001:db8::1'],
    search: ['a.example', 'b.example'],
    options: ['edns0', 'trust-ad'],
  });
});

it('takes the domain for want of a search list', () => {
  expect(parseResolvConf('domain example.org').search).toEqual(['example.org']);
  expect(parseResolvConf('')).toEqual({ nameservers: [], search: [], options: [] });
});

it('with a resolver there is one server, and names without dots are asked for as they are', () => {
  const node = { nameservers: ['192.0.2.1'], search: ['a.example'], options: ['edns0', 'trust-ad'] };
  const asked = (search: string[], options: string[]) => resolverSettings({ search, options }, node);
  expect(asked([], [])).toEqual({ nameservers: ['127.0.0.11'], search: ['a.example'], options: ['ndots:0'] });
  expect(asked(['b.example'], ['timeout:1', 'ndots:2'])).toEqual({
    nameservers: ['127.0.0.11'],
    search: ['b.example'],
    options: ['timeout:1', 'ndots:2'],
  });
});
