import type { Event } from '../../proto/gen/events.js';
import { type GoMap, goMap } from './go-print.js';
import { withEscapes } from './list.js';
import { oneLine } from './printable.js';
import { Template } from './template.js';

/** How `events` prints one. @throws INVALID_ARGUMENT for a template with mistakes */
export function eventRenderer(format: string | undefined): (event: Event) => string {
  if (format === undefined || format === '') return (event) => `${oneLine(eventLine(event))}\n`;
  if (format === 'json' || /^\{\{\s*json \.\s*\}\}$/.test(format)) return (event) => `${eventJson(event)}\n`;
  const template = new Template(withEscapes(format));
  template.check(new EventRow(EMPTY));
  return (event) => `${template.execute(new EventRow(event))}\n`;
}

/** `2026-01-02T13:23:37.015000000Z service update slkfifjw79it (name=web, replicas.new=3, replicas.old=2)` */
function eventLine(event: Event): string {
  const pairs = Object.entries(goMap(event.attributes)).map(([key, value]) => `${key}=${value}`);
  const about = pairs.length > 0 ? ` (${pairs.join(', ')})` : '';
  return `${localTime(event)} ${event.type} ${event.action} ${event.id}${about}`;
}

/** Docker's shape of an event, in one line. Nanoseconds since the epoch are more than a number of JavaScript's holds. */
function eventJson(event: Event): string {
  const json = JSON.stringify(new EventRow(event));
  return `${json.slice(0, -1)},"timeNano":${nanoseconds(event)}}`;
}

/** What a template takes an event for. */
class EventRow {
  readonly Status: string;
  readonly ID: string;
  readonly From: string;
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: GoMap<string> };
  readonly Scope: string;
  readonly Time: number;
  readonly TimeNano: string;

  constructor(event: Event) {
    // What there was before there were types is still said of containers and images.
    const isOld = event.type === 'container' || event.type === 'image';
    this.Status = isOld ? event.action : '';
    this.ID = isOld ? event.id : '';
    this.From = event.type === 'container' ? (event.attributes.image ?? '') : '';
    this.Type = event.type;
    this.Action = event.action;
    this.Actor = { ID: event.id, Attributes: goMap(event.attributes) };
    this.Scope = event.scope;
    this.Time = Math.floor(event.timeMs / 1000);
    this.TimeNano = String(nanoseconds(event));
  }

  toJSON(): object {
    return {
      status: this.Status || undefined,
      id: this.ID || undefined,
      from: this.From || undefined,
      Type: this.Type,
      Action: this.Action,
      Actor: this.Actor,
      scope: this.Scope,
      time: this.Time,
    };
  }
}

const EMPTY: Event = {
  sequence: 0,
  timeMs: 0,
  timeNs: 0,
  scope: '',
  type: '',
  action: '',
  id: '',
  attributes: {},
};

const nanoseconds = ({ timeMs, timeNs }: Event): bigint => BigInt(timeMs) * 1_000_000n + BigInt(timeNs);

/** By the clock on the wall here, as Docker prints it. */
function localTime({ timeMs, timeNs }: Event): string {
  const offset = -new Date(timeMs).getTimezoneOffset();
  const text = new Date(timeMs + offset * 60_000).toISOString().slice(0, 19);
  const fraction = String((timeMs % 1000) * 1_000_000 + timeNs).padStart(9, '0');
  const minutes = Math.abs(offset);
  const two = (value: number) => String(value).padStart(2, '0');
  const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${text}.${fraction}${zone}`;
}
