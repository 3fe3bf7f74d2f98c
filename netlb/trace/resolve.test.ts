import { encode } from 'dns-packet';
import { expect, test } from 'vitest';
import { candidateNames, parseResolvConf, readAnswer } from './resolve.js';

test('parseResolvConf - servers in order, the last search line, options', () => {
  const text =
    '# made by hand\nnameserver 127.0.0.11\nnameserver 9.9.9.9 ; far\nsearch a.test\nsearch b.test c.test\noptions edns0 ndots:2\n';
  expect(parseResolvConf(text)).toEqual({
    servers: ['127.0.0.11', '9.9.9.9'],
    search: ['b.test', 'c.test'],
    ndots: 2,
  });
  expect(parseResolvConf('')).toEqual({ servers: [], search: [], ndots: 1 });
  const many = Array.from({ length: 9 }, (_, i) => `nameserver 192.0.2.${i}\n`).join('');
  expect(parseResolvConf(many).servers).toEqual(['192.0.2.0', '192.0.2.1', '192.0.2.2']);
});

test.each([
  ['api', ['api.x.test', 'api']],
  ['api.other', ['api.other', 'api.other.x.test']],
  ['api.', ['api']],
])('candidateNames - %s is tried as %j', (name, names) => {
  expect(candidateNames(name, { search: ['x.test'], ndots: 1 })).toEqual(names);
});

test('readAnswer - an answer that promises records and has none, or any other nonsense, is none', () => {
  const answer = encode({ type: 'response', id: 7, questions: [{ type: 'A', name: 'api' }] });
  expect(readAnswer(answer)).toMatchObject({ id: 7 });
  answer.writeUInt16BE(5, 6);
  expect(readAnswer(answer)).toBeUndefined();
  expect(readAnswer(Buffer.alloc(12, 0xff))).toBeUndefined();
});
