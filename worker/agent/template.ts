import { invalidArgument } from '../../lib/errors.js';
import type { Task } from '../../proto/gen/index.js';
import { taskName } from '../../proto/task-names.js';

/** The node's part of what a task's settings may refer to. */
export interface TemplateNode {
  readonly id: string;
  readonly hostname: string;
  readonly platform: { readonly architecture: string; readonly os: string };
}

/**
 * Docker's placeholders in a service's environment, hostname and mounts: `{{.Service.Name}}`,
 * `{{.Task.Slot}}`, `{{.Service.Labels.x}}`, `{{index .Service.Labels "com.example.x"}}` and so on.
 * @throws INVALID_ARGUMENT that names an unknown one
 */
export function expandTemplate(text: string, task: Task, node: TemplateNode): string {
  return text.replace(/\{\{(.*?)\}\}/g, (whole, inside: string) => {
    const value = lookUp(inside.trim(), task, node);
    if (value !== undefined) return value;
    throw invalidArgument(`"${whole}" is not a known placeholder`, {
      value: whole,
      hint: `Known are ${[...Object.keys(fields(task, node)), '.Service.Labels.NAME'].join(', ')}.`,
    });
  });
}

function lookUp(expression: string, task: Task, node: TemplateNode): string | undefined {
  const label =
    /^\.Service\.Labels\.([\w.-]+)$/.exec(expression) ?? /^index\s+\.Service\.Labels\s+"([^"]+)"$/.exec(expression);
  if (label?.[1]) return Object.hasOwn(task.serviceLabels, label[1]) ? task.serviceLabels[label[1]] : '';
  const known = fields(task, node);
  return Object.hasOwn(known, expression) ? known[expression] : undefined;
}

function fields(task: Task, node: TemplateNode): Readonly<Record<string, string>> {
  return {
    '.Service.ID': task.serviceId,
    '.Service.Name': task.serviceName,
    '.Node.ID': node.id,
    '.Node.Hostname': node.hostname,
    '.Node.Platform.Architecture': node.platform.architecture,
    '.Node.Platform.OS': node.platform.os,
    '.Task.ID': task.id,
    '.Task.Name': taskName(task),
    // A task of a global service is told apart by its node.
    '.Task.Slot': task.slot > 0 ? String(task.slot) : task.nodeId,
  };
}
