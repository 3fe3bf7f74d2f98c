/** Opens connections one after another: `connect-process HOST PORT COUNT` prints how long each took, in microseconds, as JSON. */
import { once } from 'node:events';
import { connect } from 'node:net';

const [host, port, count] = process.argv.slice(2);
const times: number[] = [];
for (let i = 0; i < Number(count); i++) {
  const start = performance.now();
  const socket = connect({ host, port: Number(port) });
  await once(socket, 'connect');
  times.push(Math.round((performance.now() - start) * 1000));
  socket.resetAndDestroy();
}
process.stdout.write(JSON.stringify(times));
