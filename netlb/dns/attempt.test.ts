import { encode, type Packet } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { answers } from './attempt.js';
import { FrameReader, frame } from './frames.js';

const question = (name: string) => ({ questions: [{ name, type: 'A' as const }] });
const query = encode({ type: 'query', id: 7, ...question('example.org') });
const isAnswer = (packet: Packet) => answers(encode({ type: 'response', id: 7, ...packet }), query, query.length);

describe('answers', () => {
  it('an answer has the id and the question of the query, in whatever case', () => {
    expect(isAnswer(question('example.org'))).toBe(true);
    expect(isAnswer(question('EXAMPLE.org'))).toBe(true);
  });

  it('one with another id or question, or a query, is none', () => {
    expect(isAnswer({ id: 8, ...question('example.org') })).toBe(false);
    expect(isAnswer(question('example.com'))).toBe(false);
    expect(isAnswer({ questions: [{ name: 'example.org', type: 'AAAA' }] })).toBe(false);
    expect(isAnswer({ type: 'query', ...question('example.org') })).toBe(false);
    expect(answers(Buffer.alloc(5), query, query.length)).toBe(false);
  });

  it('only an error may come without the question', () => {
    const SERVFAIL = 2;
    expect(isAnswer({ flags: SERVFAIL })).toBe(true);
    expect(isAnswer({})).toBe(false);
  });
});

describe('frames', () => {
  it('messages are put together from any pieces', () => {
    const messages = ['', 'a', 'bc', 'd'.repeat(300)].map((text) => Buffer.from(text));
    const bytes = Buffer.concat(messages.map(frame));
    for (const size of [1, 2, 3, 7, 1000]) {
      const read: string[] = [];
      const reader = new FrameReader((message) => read.push(message.toString()));
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
      expect(read).toEqual(messages.map(String));
    }
  });
});
