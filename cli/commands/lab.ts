import type { Command } from 'commander';
import { killDaemon, restartDaemon, stopDaemon } from '../../lab/daemons.js';
import { labExec } from '../../lab/exec.js';
import { heal, partition } from '../../lab/faults.js';
import { type LabNode, labNode, labUp, listLab } from '../../lab/lab.js';
import { CLIENT, CLIENT_ADDRESS, HOST_ADDRESS, namespaceOf } from '../../lab/layout.js';
import { takeDown } from '../../lab/teardown.js';
import { invalidArgument } from '../../lib/errors.js';
import { parseDuration } from '../../lib/units.js';
import { type ListView, renderList } from '../format/list.js';
import { type Io, processIo } from '../io.js';

interface LabRow {
  readonly Name: string;
  readonly Role: string;
  readonly Address: string;
  readonly Host: string;
  readonly PID: string;
  readonly Status: string;
}

const LAB_VIEW: ListView<LabRow> = {
  table: '{{.Name}}\t{{.Role}}\t{{.Address}}\t{{.Host}}\t{{.PID}}\t{{.Status}}',
  headers: { Name: 'NAME', Role: 'ROLE', Address: 'ADDRESS', Host: 'HOST', PID: 'PID', Status: 'STATUS' },
  quiet: ({ Name }) => Name,
};

const row = ({ layout, role, pid, status }: LabNode): LabRow => ({
  Name: layout.name,
  Role: role,
  Address: layout.address,
  Host: layout.host,
  PID: pid === undefined ? '' : String(pid),
  Status: status,
});

interface UpOptions {
  readonly nodes: string;
  readonly managers: string;
  readonly attachHost?: true;
  readonly dispatcherHeartbeat: string;
  readonly logLevel: string;
  readonly label: readonly string[];
  readonly balancer: string;
}

/** `tsswarm lab`: a swarm of several nodes on this machine. */
export function registerLab(program: Command, io: Io = processIo()): void {
  const lab = program
    .command('lab')
    .description('Run a swarm of several nodes on this machine, each in a network namespace of its own')
    .enablePositionalOptions();
  registerUp(lab, io);
  lab
    .command('down')
    .description('Take the lab down; nothing of it is left')
    .action(async () => {
      io.out((await takeDown()) ? 'The lab is down.\n' : 'There is no lab.\n');
    });
  lab
    .command('ls')
    .alias('list')
    .description("List the lab's nodes")
    .option('--format <template>', 'format output using a Go template, "table TEMPLATE" or "json"')
    .option('-q, --quiet', 'only display names')
    .action(async ({ format, quiet }: { format?: string; quiet?: true }) => {
      const rows = (await listLab()).map(row);
      io.out(renderList(LAB_VIEW, rows, { format, quiet: quiet === true }));
    });
  lab
    .command('exec')
    .description('Run a command in the network namespace of a node, or of the client')
    .argument('<node>', `node1, node2 … or ${CLIENT}`)
    .argument('<command...>', 'command and its arguments')
    .passThroughOptions()
    .action(async (node: string, command: string[]) => {
      process.exitCode = await labExec(node, command);
    });
  registerFaults(lab, io);
}

function registerUp(lab: Command, io: Io): void {
  lab
    .command('up')
    .description('Make a lab: node1 is the manager, the other nodes join it')
    .requiredOption('--nodes <n>', 'number of nodes')
    .option('--managers <n>', 'how many of them are managers', '1')
    .option('--attach-host', `give this machine an address (${HOST_ADDRESS}) in the lab's network`)
    .option('--dispatcher-heartbeat <duration>', 'period of heartbeats; after three without one a node is down', '1s')
    .option('--log-level <level>', 'of the daemons: debug, info, warn, error', 'info')
    .option(
      '--label <key=value>',
      'engine label of the nodes; can be repeated',
      (value, all: string[]) => [...all, value],
      [],
    )
    .option('--balancer <kind>', 'auto, nft or ipvs', '')
    .action(async (options: UpOptions) => {
      const nodes = await labUp(
        {
          nodes: count('--nodes', options.nodes),
          managers: count('--managers', options.managers),
          attachHost: options.attachHost === true,
          dispatcherHeartbeat: parseDuration(options.dispatcherHeartbeat),
          logLevel: options.logLevel,
          labels: options.label,
          balancer: options.balancer,
        },
        (step) => io.err(`${step}\n`),
        io.interrupted(),
      );
      const [first] = nodes;
      io.out(
        `The lab is up: ${nodes.map(({ name, address }) => `${name} ${address}`).join(', ')}; client ${CLIENT_ADDRESS}.\n`,
      );
      io.out(
        [
          '',
          'To see it:',
          '    tsswarm lab ls',
          '    tsswarm node ls',
          `    ip netns exec ${namespaceOf(CLIENT)} curl http://${first?.address}:8080/`,
          'To take it down:',
          '    tsswarm lab down',
          '',
        ].join('\n'),
      );
    });
}

function registerFaults(lab: Command, io: Io): void {
  lab
    .command('stop')
    .description('End the daemon of a node as an upgrade does: its tasks go on')
    .argument('<node>')
    .action(async (name: string) => {
      await stopDaemon(labNode(name));
      io.out(`${name}\n`);
    });
  lab
    .command('start')
    .description('Start the daemon of a node again')
    .argument('<node>')
    .action(async (name: string) => {
      await restartDaemon(labNode(name));
      io.out(`${name}\n`);
    });
  lab
    .command('kill')
    .description('Kill the daemon of a node (SIGKILL)')
    .argument('<node>')
    .option('--containers', 'and all its containers, as when the machine goes')
    .action(async (name: string, { containers }: { containers?: true }) => {
      await killDaemon(labNode(name), containers === true);
      io.out(`${name}\n`);
    });
  lab
    .command('partition')
    .description('Cut a node off from all others and the client')
    .argument('<node>')
    .option('--one-way', 'only what it sends is lost')
    .action(async (name: string, { oneWay }: { oneWay?: true }) => {
      await partition(labNode(name), oneWay ? 'outgoing' : 'both');
      io.out(`${name}\n`);
    });
  lab
    .command('heal')
    .description('End the partition of a node')
    .argument('<node>')
    .action(async (name: string) => {
      await heal(labNode(name));
      io.out(`${name}\n`);
    });
}

function count(flag: string, text: string): number {
  if (!/^\d{1,4}$/.test(text)) {
    throw invalidArgument(`invalid argument "${text}" for "${flag}" flag: must be a whole number`, { value: text });
  }
  return Number(text);
}
