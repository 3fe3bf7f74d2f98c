import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf } from '../options.js';

export function registerTrace(network: Command, context: Context): void {
  network
    .command('trace')
    .description('Show every hop of a packet from the kernels of all nodes concerned, and where it is lost')
    .argument('<from>', 'Container, task, service, node:NAME, or an address outside')
    .argument('<to>', 'The same, or a name or address, with [:PORT][/tcp|udp|icmp]')
    .option('--task <TASK>', 'Which task of the service FROM: its slot, name or id')
    .option('--probe', 'Send packets too, and see by which hops they come')
    .option('--svg <FILE>', 'Draw it into an SVG file')
    .option('-f, --format <TEMPLATE>', "'json' or a Go template, as '{{.Verdict}}'")
    .option('-v, --verbose', 'Show all that the kernel says of each hop')
    .option('--no-color', 'Draw in plain ASCII, without colors')
    .action(async (from: string, to: string, _options, command: Command) => {
      const { traceNetwork } = await import('../actions/trace.js');
      await traceNetwork(context, from, to, flagsOf(command));
    });
}
