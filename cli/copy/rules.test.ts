import { describe, expect, it } from 'vitest';
import { directionOf, landingOf, parseCopyPath, renaming } from './rules.js';

describe('cp - sides', () => {
  it.each([
    ['web:/etc/hosts', 'web', '/etc/hosts'],
    ['web:relative', 'web', 'relative'],
    ['/tmp/a:b', undefined, '/tmp/a:b'],
    ['./a:b', undefined, './a:b'],
    ['plain', undefined, 'plain'],
    ['-', undefined, '-'],
    [':/x', undefined, ':/x'],
  ])('%s', (text, container, path) => {
    expect(parseCopyPath(text)).toEqual({ container, path });
  });

  it('just one is a container', () => {
    const side = parseCopyPath;
    expect(directionOf(side('web:/a'), side('b'))).toEqual({ from: 'web', source: '/a', target: 'b' });
    expect(directionOf(side('a'), side('web:/b'))).toEqual({ to: 'web', source: 'a', target: '/b' });
    expect(() => directionOf(side('a'), side('b'))).toThrow('must specify at least one container source');
    expect(() => directionOf(side('a:/x'), side('b:/y'))).toThrow('copying between containers is not supported');
    expect(() => directionOf(side('web:'), side('b'))).toThrow('the path is empty');
  });
});

describe('cp - where things land', () => {
  it.each([
    ['/a/f', 'file', '/d', 'folder', '/d', 'f'],
    ['/a/f', 'file', '/d/', 'folder', '/d', 'f'],
    ['/a/f', 'file', '/d/g', undefined, '/d', 'g'],
    ['/a/f', 'file', '/d/g', 'file', '/d', 'g'],
    ['/a', 'folder', '/d', 'folder', '/d', 'a'],
    ['/a/', 'folder', '/d', 'folder', '/d', 'a'],
    ['/a/.', 'folder', '/d', 'folder', '/d', '.'],
    ['.', 'folder', '/d', 'folder', '/d', '.'],
    ['/a', 'folder', '/d/new', undefined, '/d', 'new'],
    ['/a/.', 'folder', '/d/new/', undefined, '/d', 'new'],
    ['/a', 'folder', '/', 'folder', '/', 'a'],
    ['/a/f', 'file', 'here', undefined, '.', 'here'],
    ['/a/f', 'file', '.', 'folder', '.', 'f'],
    ['/a/f', 'file', '../x', undefined, '..', 'x'],
  ] as const)('%s (%s) to %s (%s)', (source, kind, target, targetKind, folder, name) => {
    expect(landingOf(source, kind, target, targetKind)).toEqual({ folder, name });
  });

  it('refuses what does not fit', () => {
    expect(() => landingOf('/a', 'folder', '/d/f', 'file')).toThrow('cannot copy directory /a onto the file /d/f');
    expect(() => landingOf('/a/f', 'file', '/d/new/', undefined)).toThrow('no such directory: /d/new/');
    expect(() => landingOf('/a/f', 'file', '/d/g/', 'file')).toThrow('no such directory: /d/g/');
  });

  it('names in the transformation stand for themselves', () => {
    expect(renaming('a,b&c\\d')).toBe('s,^[^/]*,a\\,b\\&c\\\\d,S');
  });
});
