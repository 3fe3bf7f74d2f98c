import { beforeEach, describe, expect, it } from 'vitest';
import { IPAMConfig, LocalNetwork, NetworkSpec } from '../../proto/gen/index.js';
import { AddressBook } from './addresses.js';

let book: AddressBook;
const network = (id: string, ...subnets: string[]) =>
  LocalNetwork.create({
    id,
    spec: NetworkSpec.create({ name: id, driver: 'bridge' }),
    ipam: subnets.map((subnet) =>
      IPAMConfig.create({ subnet, gateway: subnet.replace(/\/\d+$/, '').replace(/0$|$/, '1') }),
    ),
  });

beforeEach(() => {
  book = new AddressBook();
  book.add(network('front', '10.9.0.0/29'));
  book.add(network('dual', '10.8.0.0/24', 'fd00:8::/64'));
});

describe('AddressBook - take', () => {
  it('gives the next address upwards, and a freed one only after the others', () => {
    expect(book.take('front', [], 'a')).toEqual(['10.9.0.2/29']);
    expect(book.take('front', [], 'b')).toEqual(['10.9.0.3/29']);
    book.release('front', ['10.9.0.2/29'], 'a');
    expect(book.take('front', [], 'c')).toEqual(['10.9.0.4/29']);
  });

  it('gives one of each family, beside those asked for', () => {
    expect(book.take('dual', [], 'a')).toEqual(['10.8.0.2/24', 'fd00:8::2/64']);
    const kept = [book.reserve('dual', 'fd00:8::99', 'b')];
    expect(book.take('dual', kept, 'b')).toEqual(['10.8.0.3/24', 'fd00:8::99/64']);
  });

  it('says when none is left, and recovers when one is freed', () => {
    for (const owner of 'abcde') book.take('front', [], owner);
    expect(() => book.take('front', [], 'f')).toThrow('no available IPv4 addresses in network front');
    book.release('front', ['10.9.0.4/29'], 'c');
    expect(book.take('front', [], 'f')).toEqual(['10.9.0.4/29']);
  });

  it('leaks nothing in ten thousand rounds', () => {
    for (let i = 0; i < 10_000; i++) book.release('front', book.take('front', [], `c${i}`), `c${i}`);
    expect([...'abcde'].map((owner) => book.take('front', [], owner)[0])).toHaveLength(5);
  });
});

describe('AddressBook - reserve', () => {
  it('keeps an address for its owner alone', () => {
    expect(book.reserve('front', '10.9.0.5', 'a')).toBe('10.9.0.5/29');
    expect(book.reserve('front', '10.9.0.5', 'a')).toBe('10.9.0.5/29');
    expect(() => book.reserve('front', '10.9.0.5', 'b')).toThrow('in use by container a');
    book.release('front', ['10.9.0.5/29'], 'b');
    expect(() => book.reserve('front', '10.9.0.5', 'b')).toThrow('in use by container a');
  });

  it('refuses what is outside, or kept back', () => {
    expect(() => book.reserve('front', '10.7.0.5', 'a')).toThrow('no configured subnet of network front contains');
    expect(() => book.reserve('front', '10.9.0.1', 'a')).toThrow('is kept back');
  });
});
