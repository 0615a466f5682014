import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..');

/** Builds the binding when its sources changed since the last build; gives the path of the addon. */
export function build(options: { sanitize?: boolean } = {}): string {
  const sanitize = options.sanitize ?? false;
  execFileSync('bash', [join(folder, 'build.sh')], {
    env: { ...process.env, SANITIZE: sanitize ? '1' : '0' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return join(folder, sanitize ? 'build-sanitize' : 'build', 'Release', 'faiss.node');
}
