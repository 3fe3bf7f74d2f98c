import { arch, platform } from 'node:os';
import { SwarmError } from '../../lib/errors.js';
import type { InfoResponse } from '../../proto/gen/node.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { renderInspectedOne } from '../format/list.js';
import { VERSION } from '../version.js';

/** Client and daemon; without a daemon the client's is shown all the same, and the exit code is 1. */
export async function showVersion(context: Context, flags: Flags): Promise<void> {
  const client = { Version: VERSION, NodeVersion: process.version, Os: platform(), Arch: arch() };
  let server: object | undefined;
  let problem: SwarmError | undefined;
  try {
    server = serverOf(await (await context.agent()).info({}));
  } catch (error) {
    if (!(error instanceof SwarmError)) throw error;
    problem = error;
  }
  const format = flags.text('format');
  if (format === undefined)
    context.io.out(section('Client', client) + (server ? `\n${section('Server', server)}` : ''));
  else context.io.out(renderInspectedOne({ Client: client, Server: server }, format));
  if (problem) throw problem;
}

function serverOf(info: InfoResponse) {
  const { description } = info;
  return {
    Version: info.version,
    Runtime: description.engine.runtime,
    Balancer: description.engine.balancer,
    Os: description.platform.os,
    Arch: description.platform.architecture,
  };
}

const LABELS: Readonly<Record<string, string>> = { NodeVersion: 'Node version', Os: 'OS', Arch: 'Architecture' };

function section(title: string, values: object): string {
  const lines = Object.entries(values).map(([key, value]) => ` ${`${LABELS[key] ?? key}:`.padEnd(18)} ${value}\n`);
  return `${title}:\n${lines.join('')}`;
}
