import { describe, expect, it } from 'vitest';
import { goDuration, humanBytes, humanDuration, humanSize, naturalOrder } from './human.js';
import { type ListView, renderInspected, renderList } from './list.js';
import { alignRows } from './table.js';

interface Row {
  readonly ID: string;
  readonly Name: string;
  readonly Label: (key: unknown) => string;
}
const view: ListView<Row> = {
  table: '{{.ID}}\t{{.Name}}',
  headers: { ID: 'ID', Name: 'NAME' },
  quiet: (row) => row.ID,
};
const rows: Row[] = [
  { ID: 'abcdefghijkl', Name: 'web', Label: (key) => `L${key}` },
  { ID: 'b', Name: 'db', Label: () => '' },
];

describe('alignRows', () => {
  it('makes columns 10 wide at least and leaves the last as it is', () => {
    expect(
      alignRows([
        ['A', 'LONGER HEAD', 'X'],
        ['12345678', 'b', ''],
      ]),
    ).toBe('A          LONGER HEAD   X\n12345678   b             \n');
    expect(
      alignRows([
        ['ID', 'NAME'],
        ['ab', 'x'],
      ]),
    ).toBe('ID        NAME\nab        x\n');
  });

  it('counts characters, not code units', () => {
    expect(alignRows([['ünïcodé 😀!', 'b']])).toBe('ünïcodé 😀!   b\n');
  });

  it('lets no node or container steer the terminal', () => {
    expect(alignRows([['node1\u001b[2J', 'b']])).toBe('node1 [2J   b\n');
  });
});

describe('renderList', () => {
  it.each([
    [undefined, 'ID             NAME\nabcdefghijkl   web\nb              db\n'],
    ['table {{.Name}}\\t{{.ID}}', 'NAME      ID\nweb       abcdefghijkl\ndb        b\n'],
    ['table {{upper .Name}}\t{{.Label "a.zone"}}', 'NAME      zone\nWEB       La.zone\nDB        \n'],
    ['json', '{"ID":"abcdefghijkl","Name":"web"}\n{"ID":"b","Name":"db"}\n'],
    ['{{.Name}}:{{.ID}}', 'web:abcdefghijkl\ndb:b\n'],
    ['{{json .}}', '{"ID":"abcdefghijkl","Name":"web"}\n{"ID":"b","Name":"db"}\n'],
  ])('--format %s', (format, text) => {
    expect(renderList(view, rows, { format, quiet: false })).toBe(text);
  });

  it('--quiet', () => {
    expect(renderList(view, rows, { format: undefined, quiet: true })).toBe('abcdefghijkl\nb\n');
  });

  it('shows the heads when there is nothing', () => {
    expect(renderList(view, [], { format: undefined, quiet: false })).toBe('ID        NAME\n');
    expect(renderList(view, [], { format: 'json', quiet: false })).toBe('');
  });

  it('says which fields there are', () => {
    expect(() => renderList(view, rows, { format: '{{.Nope}}', quiet: false })).toThrow('there is no field "Nope"');
  });

  it.each(['{{.Nope}}', '{{if .ID}}{{$.Nope}}{{end}}', '{{upper (.Nope)}}', 'table {{.Nope}}'])(
    'says so of %s too when there is nothing to list',
    (format) => {
      expect(() => renderList(view, [], { format, quiet: false })).toThrow('there is no field "Nope"');
    },
  );

  it('takes fields of other things than the row for what they are', () => {
    const format = '{{with .Name}}{{.Any}}{{end}}{{range .Label "x"}}{{.Any}}{{end}}{{json .}}{{.Label "x"}}';
    expect(renderList(view, [], { format, quiet: false })).toBe('');
  });
});

describe('renderInspected', () => {
  it('is an array, one line of JSON, or a template for each', () => {
    const objects = [
      { ID: 'a', Gone: undefined },
      { ID: 'b', Gone: undefined },
    ];
    expect(renderInspected(objects, undefined)).toBe(
      '[\n    {\n        "ID": "a"\n    },\n    {\n        "ID": "b"\n    }\n]\n',
    );
    expect(renderInspected(objects, 'json')).toBe('[{"ID":"a"},{"ID":"b"}]\n');
    expect(renderInspected(objects, '{{.ID}}\\t{{if .Gone}}x{{end}}')).toBe('a\t\nb\t\n');
    expect(renderInspected([], undefined)).toBe('[]\n');
  });
});

describe('amounts', () => {
  it.each([
    [0, 'Less than a second'],
    [1500, '1 second'],
    [59_999, '59 seconds'],
    [60_000, 'About a minute'],
    [120_000, '2 minutes'],
    [3_600_000, 'About an hour'],
    [7_200_000, '2 hours'],
    [3 * 86_400_000, '3 days'],
    [21 * 86_400_000, '3 weeks'],
    [90 * 86_400_000, '3 months'],
    [800 * 86_400_000, '2 years'],
  ])('humanDuration(%i) is %s', (ms, text) => {
    expect(humanDuration(ms)).toBe(text);
  });

  it('sizes, memory, durations, order', () => {
    expect([0, 999, 1_984_219, 111_278_531].map(humanSize)).toEqual(['0B', '999B', '1.98MB', '111MB']);
    expect([1024, 64 << 20, 25_276_514_304].map(humanBytes)).toEqual(['1KiB', '64MiB', '23.54GiB']);
    expect([0, 250e6, 10e9, 90e9, 7776e12].map(goDuration)).toEqual(['0s', '250ms', '10s', '1m30s', '2160h0m0s']);
    expect(['web.10', 'web.2', 'db'].sort(naturalOrder)).toEqual(['db', 'web.2', 'web.10']);
  });
});
