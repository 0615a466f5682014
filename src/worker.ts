import { runServer } from './main.ts';

/** A process that runs jobs and serves nothing but its health and metrics: the program in its role `worker`. */
if (import.meta.main) process.exitCode = await runServer({ ...process.env, GEO2_ROLE: 'worker' });
