import { describe, expect, it } from 'vitest';
import { goMap } from './go-print.js';
import { Template } from './template.js';

const service = {
  ID: 'abc',
  Name: 'web',
  Replicas: 3,
  Ready: true,
  Spec: { Name: 'web', Labels: goMap({ tier: 'front', env: 'test' }), Update: undefined },
  Ports: [{ Target: 80 }, { Target: 443 }],
  Args: ['httpd', '-f'],
  Empty: [],
  Label: (key: unknown) => `label ${key}`,
};
const run = (template: string): string => new Template(template).execute(service);

describe('Template', () => {
  it.each([
    ['{{.Name}}', 'web'],
    ['{{ .Spec.Name }} on {{.ID}}', 'web on abc'],
    ['{{.Replicas}} {{.Ready}}', '3 true'],
    ['{{.Args}} {{.Spec.Labels}}', '[httpd -f] map[env:test tier:front]'],
    ['{{.Spec.Labels.tier}} {{.Spec.Labels.none}}', 'front <no value>'],
    ['{{index .Spec.Labels "tier"}}{{index .Spec.Labels "none"}}', 'front'],
    ['{{index .Args 1}}', '-f'],
    ['{{(index .Ports 0).Target}}', '80'],
    ['{{json .Args}} {{json .Name}}', '["httpd","-f"] "web"'],
    ['{{.Spec.Labels | json}}', '{"env":"test","tier":"front"}'],
    ['{{join .Args ", "}} {{upper .Name}} {{title "a b"}} {{lower "AB"}}', 'httpd, -f WEB A B ab'],
    ['{{len .Args}} {{len .Name}} {{len .Empty}}', '2 3 0'],
    ['{{range .Ports}}{{.Target}};{{end}}', '80;443;'],
    ['{{range $i, $p := .Ports}}{{$i}}={{$p.Target}} {{$.Name}} {{end}}', '0=80 web 1=443 web '],
    ['{{range $k, $v := .Spec.Labels}}{{$k}}={{$v}},{{end}}', 'env=test,tier=front,'],
    ['{{range .Empty}}x{{else}}none{{end}}', 'none'],
    ['{{if .Empty}}some{{else if eq .Name "db"}}db{{else}}other{{end}}', 'other'],
    ['{{if and .Ready (gt .Replicas 2)}}many{{end}}', 'many'],
    ['{{if or .Empty (not .Ready)}}a{{else}}b{{end}}', 'b'],
    ['{{if .Spec.Update}}a{{else}}b{{end}}', 'b'],
    ['{{with .Spec}}{{.Name}}{{end}}', 'web'],
    ['{{eq .Name "db" "web"}} {{ne .Name "db"}} {{lt 1 2}} {{ge 1 2}}', 'true true true false'],
    ['{{printf "%-5s|%3d|%q|%v" .Name .Replicas .ID .Args}}', 'web  |  3|"abc"|[httpd -f]'],
    ['{{printf "%05.1f %x %t %%" 2.25 255 true}}', '002.3 ff true %'],
    ['{{println .Name .ID}}', 'web abc\n'],
    ['{{$n := .Name}}{{$n}}{{$n = "x"}}{{$n}}', 'webx'],
    ['a {{- /* nothing */ -}} b', 'ab'],
    ['a {{- .Name -}} b', 'awebb'],
    ['{{.Label "zone"}}', 'label zone'],
    ['{{.Name | printf "%s-%s" "a"}}', 'a-web'],
    ['{{$first := true}}{{range .Args}}{{if $first}}{{$first = false}}{{else}}, {{end}}{{.}}{{end}}', 'httpd, -f'],
    ['{{range $i, $a := .Args}}{{if $i}}{{break}}{{end}}{{$a}}{{end}}', 'httpd'],
    ['{{range .Args}}{{if eq . "httpd"}}{{continue}}{{end}}{{.}}{{end}}', '-f'],
    ['{{range 3}}{{.}}{{end}}', '012'],
    ['{{with .Spec.Update}}a{{else with .Name}}{{.}}{{end}}', 'web'],
    ['{{if $n := len .Args}}{{$n}}{{end}}', '2'],
    ['{{with $s := .Spec}}{{$s.Name}}{{.Name}}{{end}}', 'webweb'],
    ['{{index .Spec.Labels "tier" | upper}} {{(index .Ports 1).Target}}', 'FRONT 443'],
    ['{{html "<a>"}} {{urlquery "a b"}}', '&#60;a&#62; a+b'],
    ['{{`raw "text"`}} {{"tab\\tnew"}}', 'raw "text" tab\tnew'],
    ['{{truncate .Name 2}} {{split "a,b" ","}} {{slice .Name 1}} {{pad .Name 1 1}}|', 'we [a b] eb  web |'],
  ])('%s', (template, text) => {
    expect(run(template)).toBe(text);
  });

  it.each([
    ['{{.Nmae}}', 'there is no field "Nmae"'],
    ['{{.Spec.Nmae}}', 'there is no field "Nmae"'],
    ['{{.Spec.Update.State}}', 'nothing to take the field "State" of'],
    ['{{.Name.First}}', 'web has no fields'],
    ['{{shout .Name}}', 'function "shout" not defined'],
    ['{{toString .Name}}', 'function "toString" not defined'],
    ['{{.Name', 'an action is not closed'],
    ['{{if .Name}}', '{{if .Name}} has no {{end}}'],
    ['{{end}}', 'unexpected {{end}}'],
    ['{{else}}', 'unexpected {{else}}'],
    ['{{.Name | }}', 'a value is missing'],
    ['{{}}', 'a value is missing'],
    ['{{(.Name}}', 'a ) is missing'],
    ['{{.Name)}}', 'unexpected ")"'],
    ['{{.Name ?}}', 'unexpected "?"'],
    ['{{$x}}', 'undefined variable "$x"'],
    ['{{$x = 1}}', 'undefined variable "$x"'],
    ['{{break}}', '{{break}} outside {{range}}'],
    ['{{index .Args 5}}', 'index: 5 is out of range: the list has 2 items'],
    ['{{join .Name ","}}', 'join: web is not a list'],
    ['{{range .Name}}{{end}}', 'range cannot iterate over web'],
    ['{{lt .Name 1}}', 'cannot be compared'],
    ['{{.Name "x"}}', 'it takes no arguments'],
  ])('refuses %s', (template, words) => {
    expect(() => run(template)).toThrow(words);
    expect(() => run(template)).toThrow('template "');
  });

  it('names the fields that there are', () => {
    expect.assertions(1);
    try {
      run('{{.Nope}}');
    } catch (error) {
      expect((error as { hint?: string }).hint).toContain('ID, Name, Replicas');
    }
  });
});
