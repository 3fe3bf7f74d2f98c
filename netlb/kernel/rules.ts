/** Routing policy rules: RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE (linux/fib_rules.h). Pure. */
import { Attributes, addressBytes, attribute, optional, text, u32 } from './attributes.js';
import { AF_UNSPEC, familyNumber, splitCidr } from './families.js';
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, request } from './messages.js';
import { type Operation, operation } from './operation.js';

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
const RTM_GETRULE = 34;

const FR_ACT_TO_TBL = 1;

const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;

/** A rule as the kernel shows it. */
export interface Rule {
  readonly family: 4 | 6;
  /** Rules are tried from the lowest on. */
  readonly priority: number;
  readonly fwmark: number | undefined;
  /** 0xffffffff unless set. */
  readonly fwmask: number | undefined;
  /** 0 for rules that do not lead to a table. */
  readonly table: number;
  /** CIDR; undefined: any. */
  readonly source: string | undefined;
  readonly destination: string | undefined;
  readonly inputInterface: string | undefined;
}

export interface RuleOptions {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  readonly fwmark?: number | undefined;
  /** All bits unless given. */
  readonly fwmask?: number | undefined;
  /** CIDR. */
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly inputInterface?: string | undefined;
}

function payload(rule: RuleOptions): Buffer[] {
  const header = Buffer.alloc(12);
  const block = (cidr: string | undefined, type: number, lengthAt: number): Buffer[] => {
    if (cidr === undefined) return [];
    const { address, prefix } = splitCidr(cidr);
    header[lengthAt] = prefix;
    return [attribute(type, addressBytes(address))];
  };
  const blocks = [...block(rule.destination, FRA_DST, 1), ...block(rule.source, FRA_SRC, 2)];
  header[0] = familyNumber(rule.family);
  header[4] = rule.table < 256 ? rule.table : 0;
  header[7] = FR_ACT_TO_TBL;
  return [
    header,
    ...blocks,
    attribute(FRA_PRIORITY, u32(rule.priority)),
    attribute(FRA_TABLE, u32(rule.table)),
    ...optional(rule.fwmark, (mark) => attribute(FRA_FWMARK, u32(mark))),
    ...optional(rule.fwmask, (mask) => attribute(FRA_FWMASK, u32(mask))),
    ...optional(rule.inputInterface, (name) => attribute(FRA_IIFNAME, text(name))),
  ];
}

const summary = (verb: string, { family, priority, fwmark, table }: RuleOptions): string =>
  `${verb} IPv${family} rule ${priority}${fwmark === undefined ? '' : ` (fwmark ${fwmark})`} to table ${table}`;

/** EEXIST when the very same rule is there. */
export function newRule(rule: RuleOptions): Operation {
  return operation(summary('add', rule), request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, ...payload(rule)));
}

/** ENOENT when there is no such rule. */
export function deleteRule(rule: RuleOptions): Operation {
  return operation(summary('delete', rule), request(RTM_DELRULE, 0, ...payload(rule)));
}

export function ruleDump(): NetlinkRequest {
  const header = Buffer.alloc(12);
  header[0] = AF_UNSPEC;
  return request(RTM_GETRULE, NLM_F_DUMP, header);
}

/** @returns undefined for other families (multicast routing has rules too) */
export function parseRule({ payload }: NetlinkMessage): Rule | undefined {
  const family = payload[0] === familyNumber(4) ? 4 : payload[0] === familyNumber(6) ? 6 : undefined;
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload.subarray(12));
  const block = (type: number, lengthAt: number): string | undefined => {
    const address = attributes.address(type);
    return address && `${address}/${payload.readUInt8(lengthAt)}`;
  };
  return {
    family,
    priority: attributes.u32(FRA_PRIORITY) ?? 0,
    fwmark: attributes.u32(FRA_FWMARK),
    fwmask: attributes.u32(FRA_FWMASK),
    table: payload[7] === FR_ACT_TO_TBL ? (attributes.u32(FRA_TABLE) ?? payload.readUInt8(4)) : 0,
    source: block(FRA_SRC, 2),
    destination: block(FRA_DST, 1),
    inputInterface: attributes.text(FRA_IIFNAME),
  };
}
