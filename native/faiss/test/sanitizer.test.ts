import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { build } from './built.ts';

/**
 * Node itself is not built with a sanitizer, so its runtime is loaded before it: libstdc++ beside it, because the sanitizer looks
 * for the function that throws C++ exceptions when the process starts. Leaks are not looked for: V8 keeps its heap until the end
 * and everything in it would be reported; that memory comes back is a test of its own. No report is suppressed.
 */
const SANITIZER_OPTIONS = {
  ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1:allocator_may_return_null=1:detect_stack_use_after_return=1',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
};

const libraries = ['libasan.so', 'libstdc++.so'].map((name) =>
  execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim(),
);
const hasSanitizer = libraries.every((path) => isAbsolute(path) && existsSync(path));

describe.skipIf(!hasSanitizer)('under AddressSanitizer and UndefinedBehaviorSanitizer', () => {
  let addon = '';
  beforeAll(() => {
    addon = build({ sanitize: true });
  }, 300_000);

  function runStress(...fault: string[]) {
    return spawnSync(process.execPath, [join(import.meta.dirname, 'stress.ts'), addon, ...fault], {
      env: { ...process.env, ...SANITIZER_OPTIONS, LD_PRELOAD: libraries.join(':') },
      encoding: 'utf8',
      timeout: 120_000,
    });
  }

  test('everything that the binding does runs without a report', () => {
    const { status, stdout, stderr } = runStress();
    expect(stderr).not.toMatch(/Sanitizer|runtime error/);
    expect({ status, stdout, stderr }).toMatchObject({ status: 0, stdout: expect.stringContaining('stress: done') });
  }, 150_000);

  test.each([
    ['overflow', /AddressSanitizer: heap-buffer-overflow/],
    ['useAfterFree', /AddressSanitizer: heap-use-after-free/],
    ['undefined', /runtime error: signed integer overflow/],
  ])('a deliberate fault (%s) is reported', (fault, report) => {
    const { status, stdout, stderr } = runStress(fault);
    expect(stderr).toMatch(report);
    expect(status).not.toBe(0);
    expect(stdout).not.toContain('stress:');
  });
});
