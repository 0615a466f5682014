import { runProgram } from './cli/program.ts';

/** The command line: `bin/geo2`. */
if (import.meta.main) {
  // `geo2 ... | head` closes the pipe early: that is the reader's wish, not an error
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  process.exitCode = await runProgram(process.argv.slice(2), {
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    nowMs: () => performance.now(),
  });
}
