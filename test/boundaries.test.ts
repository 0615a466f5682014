import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** The rooms of `src/`, lowest first: a file may import its own room and those below it. */
const rooms: { name: string; holds: RegExp }[] = [
  { name: 'errors', holds: /^core\/(errors|ids)\.ts$/ },
  { name: 'tracing', holds: /^core\/tracing\// },
  { name: 'geo', holds: /^core\/geo\// },
  { name: 'image', holds: /^core\/image\// },
  { name: 'storage', holds: /^core\/storage\// },
  { name: 'inference', holds: /^core\/inference\// },
  { name: 'synthesis', holds: /^core\/synthesis\// },
  { name: 'retrieval', holds: /^core\/retrieval\// },
  { name: 'database', holds: /^core\/database\// },
  { name: 'accounts', holds: /^core\/accounts\// },
  { name: 'outbound', holds: /^core\/outbound\// },
  { name: 'webhooks', holds: /^core\/webhooks\// },
  { name: 'jobs', holds: /^core\/jobs\// },
  { name: 'use cases', holds: /^core\// },
  { name: 'handlers', holds: /^handlers\// },
  { name: 'app', holds: /^app\.ts$/ },
  { name: 'composition roots', holds: /^[a-z-]+\.ts$|^cli\// },
];

interface SourceFile {
  /** Relative to `src/`, with forward slashes. */
  path: string;
  text: string;
}

function importsOf(file: SourceFile): string[] {
  const specifiers = [...file.text.matchAll(/(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+'([^']+)'/g)].map(
    (m) => m[1] ?? '',
  );
  const dynamic = [...file.text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)].map((m) => m[1] ?? '');
  const bare = [...file.text.matchAll(/(?:^|\n)import\s+'([^']+)'/g)].map((m) => m[1] ?? '');
  return [...specifiers, ...dynamic, ...bare].map((specifier) => {
    if (specifier.startsWith('#core/')) return `core/${specifier.slice('#core/'.length)}`;
    if (specifier.startsWith('.')) return normalize(join(dirname(file.path), specifier));
    return specifier;
  });
}

function rankOf(path: string): number {
  return rooms.findIndex((room) => room.holds.test(path));
}

function isSource(specifier: string): boolean {
  return specifier.endsWith('.ts') && !specifier.startsWith('..');
}

/** `model.onnx.ts`, `object-store.fs.ts`: a port's adapter, named after its technology. */
function isAdapter(path: string): boolean {
  return (
    path.startsWith('core/') &&
    /\/[a-z0-9-]+\.(onnx|faiss|exact|milvus|fs|s3|node|pglite|postgres|otlp)\.ts$/.test(path)
  );
}

function isCompositionRoot(path: string): boolean {
  return rooms[rankOf(path)]?.name === 'composition roots';
}

/** Everything in `files` that the architecture forbids, a sentence each. */
function violations(files: SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    const rank = rankOf(file.path);
    if (rank === -1) found.push(`${file.path} is in no room`);
    for (const imported of importsOf(file)) {
      if (file.path.startsWith('core/')) {
        if (/^(hono|@hono\/)/.test(imported))
          found.push(`${file.path} imports ${imported}: core knows no HTTP framework`);
      }
      if (!isSource(imported)) continue;
      if (rankOf(imported) > rank) {
        found.push(
          `${file.path} (${rooms[rank]?.name}) imports ${imported} (${rooms[rankOf(imported)]?.name}): upwards`,
        );
      }
      if (imported === 'config.ts' && !isCompositionRoot(file.path)) {
        found.push(`${file.path} imports config.ts: only composition roots read the environment`);
      }
      if (isAdapter(imported) && !isCompositionRoot(file.path)) {
        found.push(`${file.path} imports the adapter ${imported}: only composition roots choose a technology`);
      }
    }
    if (/\bprocess\.env\b/.test(file.text) && !isCompositionRoot(file.path)) {
      found.push(`${file.path} reads process.env: only composition roots do`);
    }
  }
  return found;
}

async function sourceFiles(): Promise<SourceFile[]> {
  const source = join(root, 'src');
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  const paths = entries.filter((e) => e.isFile() && e.name.endsWith('.ts')).map((e) => join(e.parentPath, e.name));
  return Promise.all(paths.map(async (path) => ({ path: relative(source, path), text: await readFile(path, 'utf8') })));
}

describe('the direction of imports', () => {
  test('holds in every file of src', async () => {
    const files = await sourceFiles();
    expect(files.length).toBeGreaterThan(0);
    expect(violations(files)).toEqual([]);
  });

  test.each([
    ['geo importing image', 'core/geo/tile.ts', "import { decodeImage } from '../image/decode.ts';", 'upwards'],
    ['core importing hono', 'core/embed.ts', "import { Hono } from 'hono';", 'no HTTP framework'],
    [
      'a handler choosing a technology',
      'handlers/embed.ts',
      "import { x } from '../core/storage/object-store.fs.ts';",
      'adapter',
    ],
    ['core reading the environment', 'core/embed.ts', 'const home = process.env.HOME;', 'process.env'],
    ['a use case importing a handler', 'core/embed.ts', "import { h } from '../handlers/embed.ts';", 'upwards'],
  ])('is broken by %s', (_name, path, text, reason) => {
    expect(violations([{ path, text }]).join('\n')).toContain(reason);
  });
});
