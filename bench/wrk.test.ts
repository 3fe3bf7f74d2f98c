import { expect, test } from 'vitest';
import { parseWrk } from './wrk.js';

const output = `Running 3s test @ http://203.0.113.2:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms    2.10ms  40.20ms   96.10%
    Req/Sec    48.00k     2.11k   52.00k    71.00%
  Latency Distribution
     50%  612.00us
     75%    1.01ms
     90%    2.00ms
     99%   12.34ms
  144000 requests in 3.00s, 22.11MB read
Requests/sec:  47999.10
Transfer/sec:      7.37MB
`;

test('wrk - its output becomes figures', () => {
  expect(parseWrk(output)).toEqual({ requestsPerSecond: 47999.1, p99: 12.34, bytesPerSecond: 7.37 * 2 ** 20 });
  expect(parseWrk(output.replace('12.34ms', '612.00us')).p99).toBe(0.612);
});

test('wrk - requests that failed are not figures', () => {
  const failed = output.replace('Requests/sec', '  Socket errors: connect 3, read 0, write 0, timeout 0\nRequests/sec');
  expect(() => parseWrk(failed)).toThrow('wrk had errors');
  expect(() => parseWrk(output.replace('Requests/sec', '  Non-2xx or 3xx responses: 7\nRequests/sec'))).toThrow(
    'Non-2xx',
  );
  expect(() => parseWrk('unable to connect')).toThrow('wrk did not print');
});
