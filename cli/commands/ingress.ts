import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf } from '../options.js';

export function registerIngress(program: Command, context: Context): void {
  const ingress = program
    .command('ingress')
    .description('Look at published ports: who serves them, and what goes through');

  ingress
    .command('ls')
    .alias('list')
    .description('List published ports with what goes through them on all nodes')
    .option('--format <TEMPLATE>', "'json', 'table TEMPLATE' or a Go template, as '{{.Published}} {{.Service}}'")
    .option('-q, --quiet', 'Show only the ports')
    .action(async (_options, command: Command) => {
      const { listIngress } = await import('../actions/ingress.js');
      await listIngress(context, flagsOf(command));
    });

  ingress
    .command('inspect')
    .description('Show what each node sends to each task of published ports')
    .argument('<service|port...>', 'Names or ids of services, or ports as 8080, 53/udp or 192.0.2.10:443/tcp')
    .option('--node <NODE>', 'Ask this node alone')
    .option('-f, --format <TEMPLATE>', "'json' or a Go template, as '{{.PublishedPort}}'; without it, a table")
    .action(async (refs: string[], _options, command: Command) => {
      const { inspectIngress } = await import('../actions/ingress.js');
      await inspectIngress(context, refs, flagsOf(command));
    });

  ingress
    .command('top')
    .description('Show the busiest tasks of published ports, each second')
    .argument('[service|port...]', 'Only these')
    .option('--sort <KEY>', 'rate (when left out), active, total, in, out or name')
    .option('--no-stream', 'Show it once')
    .option('--format <TEMPLATE>', "'json', 'table TEMPLATE' or a Go template, as '{{.Task}} {{.Active}}'")
    .action(async (refs: string[], _options, command: Command) => {
      const { showIngressTop } = await import('../actions/ingress-top.js');
      await showIngressTop(context, refs, flagsOf(command));
    });
}
