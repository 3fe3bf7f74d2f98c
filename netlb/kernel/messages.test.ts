import { expect, test } from 'vitest';
import {
  Attributes,
  addressBytes,
  addressText,
  attribute,
  macBytes,
  macText,
  nested,
  text,
  u16be,
  u32,
} from './attributes.js';
import { decodeAcknowledgement, decodeMessages, encodeMessage, request } from './messages.js';

test('attributes - padded to four bytes, read back by type', () => {
  const bytes = Buffer.concat([
    attribute(3, text('eth0')),
    nested(18, attribute(1, u16be(4789)), attribute(2, u32(7))),
  ]);
  expect(bytes.toString('hex')).toBe(
    '09000300' + '6574683000000000' + '14001280' + '0600010012b50000' + '0800020007000000',
  );
  const attributes = new Attributes(bytes);
  expect(attributes.text(3)).toBe('eth0');
  expect(attributes.nested(18)?.u16be(1)).toBe(4789);
  expect(attributes.nested(18)?.u32(2)).toBe(7);
  expect(attributes.u32(4)).toBeUndefined();
});

test('attributes - a length that is wrong ends the list', () => {
  expect(new Attributes(Buffer.from('0000010008000200ffffffff', 'hex')).u32(2)).toBeUndefined();
  expect(new Attributes(Buffer.from('0800010001000000' + 'ff000200', 'hex')).u32(1)).toBe(1);
});

test.each(['10.0.1.5', '255.255.255.255', '0.0.0.0', '::', '::1', 'fd00:1::5', '2001:db8:1:2:3:4:5:6'])(
  'addresses - %s and back',
  (address) => {
    expect(addressText(addressBytes(address))).toBe(address);
  },
);

test('addresses - what is none is named', () => {
  expect(() => addressBytes('10.0.1')).toThrow('"10.0.1" is not an IP address');
  expect(() => addressBytes('fe80::1%eth0')).toThrow('is not an IP address');
  expect(macText(macBytes('02:42:0a:00:01:05'))).toBe('02:42:0a:00:01:05');
});

test('messages - several in a datagram', () => {
  const one = encodeMessage(request(16, 0x600, Buffer.of(1, 2, 3)), 7);
  const two = encodeMessage(request(17, 0), 8);
  expect(one.toString('hex')).toBe('13000000' + '1000' + '0106' + '07000000' + '00000000' + '01020300');
  expect(decodeMessages(Buffer.concat([one, two]))).toEqual([
    { type: 16, flags: 0x601, sequence: 7, payload: Buffer.of(1, 2, 3) },
    { type: 17, flags: 1, sequence: 8, payload: Buffer.alloc(0) },
  ]);
  expect(decodeMessages(one.subarray(0, 17))).toEqual([]);
});

test('acknowledgements - success, refusal without words, end of a dump', () => {
  const error = (errno: number) => {
    const payload = Buffer.alloc(20);
    payload.writeInt32LE(-errno);
    return payload;
  };
  expect(decodeAcknowledgement({ type: 2, flags: 0x100, sequence: 1, payload: error(0) })).toEqual({
    errno: 0,
    detail: '',
  });
  expect(decodeAcknowledgement({ type: 2, flags: 0x100, sequence: 1, payload: error(19) })).toEqual({
    errno: 19,
    detail: '',
  });
  const words = Buffer.concat([error(95), attribute(1, text('no such thing'))]);
  expect(decodeAcknowledgement({ type: 2, flags: 0x300, sequence: 1, payload: words }).detail).toBe('no such thing');
  const done = { type: 3, flags: 2, sequence: 1, payload: Buffer.alloc(4) };
  expect(decodeAcknowledgement(done)).toEqual({ errno: 0, detail: '' });
});
