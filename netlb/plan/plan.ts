import { finish, type Steps } from '../../lib/steps.js';
import type { Blueprint, NamespaceBlueprint, Subject, Sysctl } from '../blueprint/model.js';
import { isOverlayNamespace, NODE_NAMESPACE, VXLAN_DEVICE } from '../names.js';
import type { ApplyProblem } from '../state.js';
import { type ActualNamespace, type ActualState, NOTHING_ACTUAL } from './actual.js';
import { planAddressing } from './addressing.js';
import { planEncryption } from './encryption.js';
import { planIpvs } from './ipvs.js';
import { type LinkPlan, planLinks, staleLinks } from './links.js';
import type { Operation } from './operation.js';
import { planRemotes } from './remotes.js';
import { planTables } from './tables.js';

export interface Plan {
  /** In an order in which each finds what it needs. */
  readonly operations: readonly Operation[];
  /** What cannot be made because something foreign is in its place. */
  readonly problems: readonly ApplyProblem[];
}

/**
 * What to do so that the kernel shows the blueprint. Pure. Objects that are right are not touched, and of
 * those that are not ours none is.
 */
export function plan(blueprint: Blueprint, actual: ActualState): Plan {
  return finish(planSteps(blueprint, actual));
}

/** The same, to be interrupted between namespaces. */
export function* planSteps(blueprint: Blueprint, actual: ActualState): Steps<Plan> {
  const { namespaces, spared } = blueprint;
  if (namespaces === undefined) return { operations: [], problems: [] };
  const removals = planRemovals(namespaces, spared, actual);
  const operations: Operation[] = [...removals];
  const problems: ApplyProblem[] = [];
  const doomed = new Set(removals.map(({ namespace }) => namespace));
  for (const stale of staleLinks(namespaces, actual, { spared, doomed })) operations.push(stale);
  for (const namespace of namespaces) {
    yield;
    const links = planLinks(namespace, actual);
    problems.push(...links.problems);
    if (actual.nameless.has(namespace.name))
      operations.push({ kind: 'name-namespace', subject: namespace.subject, namespace: namespace.name });
    operations.push(...planNamespace(namespace, actual.namespaces.get(namespace.name), links, spared));
    // After the rules that need it, and before the overlays that need both.
    if (namespace.name === NODE_NAMESPACE) operations.push(...planNodeEncryption());
  }
  if (!namespaces.some(({ name }) => name === NODE_NAMESPACE)) operations.push(...planNodeEncryption());
  return { operations, problems };

  function planNodeEncryption(): Operation[] {
    return planEncryption(blueprint.encryption, (actual.namespaces.get(NODE_NAMESPACE) ?? NOTHING_ACTUAL).encryption);
  }
}

const subjectOf = (name: string): Subject => ({ kind: isOverlayNamespace(name) ? 'overlay' : 'sandbox', id: name });

function planRemovals(
  namespaces: readonly NamespaceBlueprint[],
  spared: ReadonlySet<string>,
  actual: ActualState,
): Operation[] {
  const wanted = new Set([...namespaces.map(({ name }) => name), ...spared]);
  const gone = [...actual.namespaces.keys()].filter((name) => !wanted.has(name));
  return [
    ...gone.map(
      (name): Operation => ({
        kind: 'remove-namespace',
        subject: subjectOf(name),
        namespace: name,
        vxlan: actual.namespaces.get(name)?.links.some((link) => link.name === VXLAN_DEVICE) ? VXLAN_DEVICE : undefined,
      }),
    ),
    ...actual.staleFiles
      .filter((name) => !spared.has(name))
      .map((name): Operation => ({ kind: 'remove-stale-file', subject: subjectOf(name), namespace: name })),
  ];
}

const holds = (actual: string | undefined, wanted: string, atLeast = false): boolean =>
  actual === wanted || (atLeast && Number(actual) > Number(wanted));

function planNamespace(
  wanted: NamespaceBlueprint,
  existing: ActualNamespace | undefined,
  links: LinkPlan,
  spared: ReadonlySet<string>,
): Operation[] {
  const { subject, name: namespace } = wanted;
  const actual = existing ?? NOTHING_ACTUAL;
  const sysctls = wanted.sysctls.filter(
    ({ key, value, link = '', optional, atLeast }) =>
      (!holds(actual.sysctls.get(key), value, atLeast) || links.made.has(link)) &&
      !(optional && existing && !actual.sysctls.has(key)),
  );
  const setSysctl = ({ key, value, link = '', optional }: Sysctl): Operation => ({
    kind: 'set-sysctl',
    subject: wanted.bridges.find(({ name }) => name === link)?.subject ?? subject,
    namespace,
    key,
    value,
    optional: optional === true,
  });
  const tables = planTables(wanted, existing, links.made);
  const balancing = planIpvs(wanted, actual);
  return [
    ...(existing ? [] : [{ kind: 'create-namespace', subject, namespace } as const]),
    ...(actual.links.some(({ name, up }) => name === 'lo' && up) || namespace === ''
      ? []
      : [{ kind: 'raise-loopback', subject, namespace } as const]),
    ...sysctls.filter(({ link }) => link === undefined).map(setSysctl),
    ...links.operations,
    ...sysctls.filter(({ link }) => link !== undefined && !links.foreign.has(link)).map(setSysctl),
    ...planRemotes(wanted, actual, links.made),
    ...planAddressing(wanted, actual, links, spared),
    ...balancing.before,
    ...tables.changes,
    ...balancing.after,
    ...tables.cuts,
  ];
}
