import type { Command } from 'commander';
import { SwarmCommand } from './command.js';
import { registerCompletion } from './commands/completion.js';
import { registerContainer } from './commands/container.js';
import { registerImage } from './commands/image.js';
import { registerIngress } from './commands/ingress.js';
import { registerLab } from './commands/lab.js';
import { registerNetwork } from './commands/network.js';
import { registerNode } from './commands/node.js';
import { registerService } from './commands/service.js';
import { registerSwarm } from './commands/swarm.js';
import { registerSystem } from './commands/system.js';
import { registerTask } from './commands/task.js';
import { registerVolume } from './commands/volume.js';
import type { Context } from './context.js';
import { VERSION } from './version.js';

/**
 * The tree of commands. Modules that do the work are imported when their command runs, so that a
 * call loads only what it needs.
 */
export function buildProgram(context: Context): Command {
  const program = new SwarmCommand('tsswarm')
    .description('A swarm of Linux machines that run containers')
    .option('-H, --host <ADDRESS>', 'Daemon to talk to, as unix:///run/tsswarm/tsswarm.sock (env TSSWARM_HOST)')
    .version(`tsswarm version ${VERSION}`, '-v, --version', 'Show the version of this client')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.io.out(text),
      writeErr: (text) => context.io.err(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'Error: ')),
    })
    .hook('preAction', (self) => {
      context.host = self.opts<{ host?: string }>().host;
    });
  registerSwarm(program, context);
  registerService(program, context);
  registerTask(program, context);
  registerNode(program, context);
  registerContainer(program, context);
  registerNetwork(program, context);
  registerIngress(program, context);
  registerVolume(program, context);
  registerImage(program, context);
  registerSystem(program, context);
  registerLab(program, context);
  registerCompletion(program, context);
  finish(program);
  return program;
}

/** Errors of use point to the help of their command. */
function finish(command: Command): void {
  command.showHelpAfterError(`See '${pathOf(command)} --help'.`);
  for (const sub of command.commands) finish(sub);
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}
