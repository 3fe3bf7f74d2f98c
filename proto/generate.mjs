// Writes proto/gen/*.ts from proto/*.proto: for each message a readonly interface and a codec of
// plain objects on protobufjs' reader and writer, for each enum a constant object, for each service
// the descriptors that rpc/ turns into typed clients and handlers.
//
// Why not `pbjs -t static-module`: its decoded messages keep defaults on a prototype, so a spread
// copy loses them, and its types make every nested field nullable. Here what the .proto says holds:
// a field without `optional` is always there.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, 'gen');

const scalarTypes = {
  string: 'string',
  bool: 'boolean',
  bytes: 'Uint8Array',
  uint32: 'number',
  int32: 'number',
  sint32: 'number',
  uint64: 'number',
  int64: 'number',
  sint64: 'number',
  float: 'number',
  double: 'number',
};
const scalarDefaults = { string: "''", bool: 'false', bytes: 'NO_BYTES' };
const wide = new Set(['uint64', 'int64', 'sint64']);

const camel = (name) => name.charAt(0).toLowerCase() + name.slice(1);
const defaultOf = (field) => (field.resolvedType ? undefined : (scalarDefaults[field.type] ?? '0'));
const nullable = (field) => field.options?.proto3_optional === true || (field.partOf && !field.partOf.isProto3Optional);
const isEnum = (field) => field.resolvedType instanceof protobuf.Enum;
const isMessage = (field) => field.resolvedType instanceof protobuf.Type;
const doc = (comment, indent = '') =>
  comment ? `${indent}/** ${comment.trim().replaceAll('*/', '* /').split('\n').join(`\n${indent} * `)} */\n` : '';

/** The file that declares a type, so that a reference to it can be imported. */
const fileOf = (type) => path.basename(type.filename ?? type.parent?.filename ?? '', '.proto');
/** A nested type's name is joined to its parent's: AssignmentsMessage.Type is AssignmentsMessageType. */
const nameOf = (type) => (type.parent instanceof protobuf.Type ? nameOf(type.parent) : '') + type.name;

function elementType(field) {
  return field.resolvedType ? nameOf(field.resolvedType) : scalarTypes[field.type];
}

function fieldType(field) {
  const element = elementType(field);
  if (field.map) return `Readonly<Record<string, ${element}>>`;
  if (field.repeated) return `readonly ${element}[]`;
  return nullable(field) ? `${element} | undefined` : element;
}

/** A message that has to be there: its default is made only where none came, since making it costs as much as reading one. */
const required = (field) => isMessage(field) && !field.map && !field.repeated && !nullable(field);

function initialValue(field) {
  if (field.map) return 'NO_ENTRIES';
  if (field.repeated) return 'NO_ITEMS';
  if (nullable(field)) return 'undefined';
  if (isMessage(field)) return `${nameOf(field.resolvedType)}.create()`;
  return isEnum(field) ? '0' : defaultOf(field);
}

const createdValue = (field) => (nullable(field) ? `f.${field.name}` : `f.${field.name} ?? ${initialValue(field)}`);

const wireType = (field) => (isEnum(field) ? 'int32' : field.type);

function writeOne(field, value, target = 'w') {
  if (isMessage(field))
    return `${nameOf(field.resolvedType)}.encodeTo(${value}, ${target}.uint32(${(field.id << 3) | 2}).fork()).ldelim();`;
  const type = wireType(field);
  const tag = ((field.id << 3) | protobuf.types.basic[type]) >>> 0;
  return `${target}.uint32(${tag}).${type}(${wide.has(type) ? `safe(${value}, '${field.name}')` : value});`;
}

function encodeField(field) {
  const value = `m.${field.name}`;
  if (field.map) {
    const inner = isMessage(field)
      ? `${nameOf(field.resolvedType)}.encodeTo(v, w.uint32(18).fork()).ldelim();`
      : `w.uint32(${(2 << 3) | protobuf.types.basic[wireType(field)]}).${wireType(field)}(v);`;
    return `for (const [k, v] of Object.entries(${value})) { w.uint32(${(field.id << 3) | 2}).fork().uint32(10).string(k); ${inner} w.ldelim(); }`;
  }
  if (field.repeated) {
    if (!isMessage(field) && protobuf.types.packed[wireType(field)] !== undefined) {
      const type = wireType(field);
      const item = wide.has(type) ? `safe(v, '${field.name}')` : 'v';
      return `if (${value}.length > 0) { w.uint32(${(field.id << 3) | 2}).fork(); for (const v of ${value}) w.${type}(${item}); w.ldelim(); }`;
    }
    return `for (const v of ${value}) ${writeOne(field, 'v')}`;
  }
  if (nullable(field)) return `if (${value} !== undefined) ${writeOne(field, value)}`;
  if (isMessage(field)) return writeOne(field, value);
  const empty =
    field.type === 'bytes'
      ? `${value}.length > 0`
      : field.type === 'string'
        ? `${value} !== ''`
        : field.type === 'bool'
          ? value
          : `${value} !== 0`;
  return `if (${empty}) ${writeOne(field, value)}`;
}

function readOne(field) {
  if (isMessage(field)) return `${nameOf(field.resolvedType)}.decodeFrom(r, r.uint32())`;
  if (isEnum(field)) return `r.int32() as ${nameOf(field.resolvedType)}`;
  return wide.has(field.type) ? `num(r.${field.type}())` : `r.${field.type}()`;
}

function decodeField(field) {
  const target = `m.${field.name}`;
  if (field.map) {
    const initial = isMessage(field) ? `${nameOf(field.resolvedType)}.create()` : defaultOf(field);
    return `{ const end2 = r.uint32() + r.pos; let k = ''; let v = ${initial}; while (r.pos < end2) { const t = r.uint32(); if (t >>> 3 === 1) k = r.string(); else if (t >>> 3 === 2) v = ${readOne(field)}; else r.skipType(t & 7); } ${target} = withEntry(${target}, k, v); }`;
  }
  if (field.repeated) {
    const add = `${target} = withItem(${target}, ${readOne(field)});`;
    if (!isMessage(field) && protobuf.types.packed[wireType(field)] !== undefined) {
      return `if ((tag & 7) === 2) { const end2 = r.uint32() + r.pos; while (r.pos < end2) ${add} } else ${add}`;
    }
    return add;
  }
  return `${target} = ${readOne(field)};`;
}

const draftType = (field) => (required(field) ? `${fieldType(field)} | undefined` : fieldType(field));

function messageCode(type) {
  const name = nameOf(type);
  const fields = type.fieldsArray.map((field) => field.resolve());
  const members = fields.map((f) => `${doc(f.comment, '  ')}  readonly ${f.name}: ${fieldType(f)};`).join('\n');
  const created = `{ ${fields.map((f) => `${f.name}: ${createdValue(f)}`).join(', ')} }`;
  const initial = `{ ${fields.map((f) => `${f.name}: ${required(f) ? 'undefined' : initialValue(f)}`).join(', ')} }`;
  const draft = `{ ${fields.map((f) => `${f.name}: ${draftType(f)}`).join('; ')} }`;
  const missing = fields.filter(required).map((f) => `    m.${f.name} ??= ${initialValue(f)};\n`);
  const unused = fields.length === 0;
  return `${doc(type.comment)}export interface ${name} {
${members}
}
export const ${name}: MessageType<${name}> = {
  name: '${type.fullName.slice(1)}',
  create: (${unused ? '' : 'f = {}'}) => (${created}),
  encode: (m) => ${name}.encodeTo(m, Writer.create()).finish(),
  decode: (bytes) => ${name}.decodeFrom(Reader.create(bytes)),
  encodeTo(${unused ? '_m' : 'm'}, w) {
${fields.map((f) => `    ${encodeField(f)}`).join('\n')}
    return w;
  },
  decodeFrom(r, length) {
    const end = length === undefined ? r.len : r.pos + length;
    const m: ${unused ? 'Record<string, never>' : draft} = ${initial};
    while (r.pos < end) {
      const tag = r.uint32();
      switch (tag >>> 3) {
${fields.map((f) => `        case ${f.id}: ${decodeField(f)} break;`).join('\n')}
        default: r.skipType(tag & 7);
      }
    }
${missing.join('')}    return m${missing.length > 0 ? ` as ${name}` : ''};
  },
};
`;
}

function enumCode(type) {
  const name = nameOf(type);
  const prefix = `${type.name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()}_`;
  const entries = Object.entries(type.values).map(([key, value]) => [
    key.startsWith(prefix) ? key.slice(prefix.length) : key,
    value,
  ]);
  return `${doc(type.comment)}export const ${name} = {
${entries.map(([key, value]) => `  ${key}: ${value},`).join('\n')}
} as const;
export type ${name} = (typeof ${name})[keyof typeof ${name}];
export const ${name}Name: Readonly<Record<${name}, keyof typeof ${name}>> = {
${entries.map(([key, value]) => `  ${value}: '${key}',`).join('\n')}
};
`;
}

function serviceCode(service) {
  const methods = service.methodsArray
    .map((m) => m.resolve())
    .map(
      (m) =>
        `${doc(m.comment, '  ')}  ${camel(m.name)}: method('/${service.fullName.slice(1)}/${m.name}', ${nameOf(m.resolvedRequestType)}, ${nameOf(m.resolvedResponseType)}, ${!!m.requestStream}, ${!!m.responseStream}),`,
    );
  return `${doc(service.comment)}export const ${service.name}Service = {\n${methods.join('\n')}\n} as const;\n`;
}

function walk(namespace, file, visit) {
  for (const nested of namespace.nestedArray ?? []) {
    if (nested.filename && path.basename(nested.filename, '.proto') === file) visit(nested);
    if (nested instanceof protobuf.Namespace) walk(nested, file, visit);
  }
}

function generateFile(root, file) {
  const enums = [];
  const messages = [];
  const services = [];
  const imports = new Map();
  const use = (type) => {
    const from = fileOf(type);
    if (from && from !== file) imports.set(from, (imports.get(from) ?? new Set()).add(nameOf(type)));
  };
  walk(root, file, (item) => {
    if (item instanceof protobuf.Enum) enums.push(enumCode(item));
    else if (item instanceof protobuf.Type) {
      for (const field of item.fieldsArray) if (field.resolve().resolvedType) use(field.resolvedType);
      messages.push(messageCode(item));
    } else if (item instanceof protobuf.Service) {
      for (const m of item.methodsArray) {
        m.resolve();
        use(m.resolvedRequestType);
        use(m.resolvedResponseType);
      }
      services.push(serviceCode(item));
    }
  });
  const importLines = [...imports]
    .sort()
    .map(([from, names]) => `import { ${[...names].sort().join(', ')} } from './${from}.js';`);
  return `// Generated from ${file}.proto by generate.mjs.
import protobuf from 'protobufjs/minimal.js';
import { type MessageType, method, NO_BYTES, NO_ENTRIES, NO_ITEMS, num, safe, withEntry, withItem } from '../runtime.js';
${importLines.join('\n')}

const { Reader, Writer } = protobuf;
void [NO_BYTES, NO_ENTRIES, NO_ITEMS, num, safe, withEntry, withItem, method, Reader, Writer];

${[...enums, ...messages, ...services].join('\n')}`;
}

const files = readdirSync(here)
  .filter((f) => f.endsWith('.proto'))
  .sort();
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => path.join(here, path.basename(target));
root.loadSync(files, { keepCase: false, alternateCommentMode: true });
root.resolveAll();
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const file of files.map((f) => path.basename(f, '.proto')))
  writeFileSync(path.join(out, `${file}.ts`), generateFile(root, file));
writeFileSync(
  path.join(out, 'index.ts'),
  files.map((f) => `export * from './${path.basename(f, '.proto')}.js';\n`).join(''),
);
