import { expect, test } from 'vitest';
import { candidateNames, parseResolvConf } from './resolve.js';

test('parseResolvConf - servers in order, the last search line, options', () => {
  const text =
    '# made by hand\nnameserver 127.0.0.11\nnameserver 9.9.9.9 ; far\nsearch a.test\nsearch b.test c.test\noptions edns0 ndots:2\n';
  expect(parseResolvConf(text)).toEqual({
    servers: ['127.0.0.11', '9.9.9.9'],
    search: ['b.test', 'c.test'],
    ndots: 2,
  });
  expect(parseResolvConf('')).toEqual({ servers: [], search: [], ndots: 1 });
});

test.each([
  ['api', ['api.x.test', 'api']],
  ['api.other', ['api.other', 'api.other.x.test']],
  ['api.', ['api']],
])('candidateNames - %s is tried as %j', (name, names) => {
  expect(candidateNames(name, { search: ['x.test'], ndots: 1 })).toEqual(names);
});
