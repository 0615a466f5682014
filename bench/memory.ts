import { readdir, readFile } from 'node:fs/promises';

/** What a process and all that it started hold in memory. */
export interface Memory {
  /** Pages that several processes share are divided among them: the sum counts each page once. MB (10^6 bytes). */
  readonly proportionalMb: number;
  /** Shared pages count in every process. */
  readonly residentMb: number;
  readonly processes: number;
}

/** Reads Linux's /proc; undefined where there is none. */
export async function memoryOf(pid: number): Promise<Memory | undefined> {
  const pids = await familyOf(pid).catch(() => undefined);
  if (pids === undefined) return undefined;
  const parts = await Promise.all(
    pids.map(async (member) => {
      const text = await readFile(`/proc/${member}/smaps_rollup`, 'utf8');
      return { pss: kilobytes(text, 'Pss'), rss: kilobytes(text, 'Rss') };
    }),
  );
  const megabytes = (kb: number): number => (kb * 1024) / 1e6;
  return {
    proportionalMb: megabytes(parts.reduce((sum, { pss }) => sum + pss, 0)),
    residentMb: megabytes(parts.reduce((sum, { rss }) => sum + rss, 0)),
    processes: pids.length,
  };
}

async function familyOf(root: number): Promise<number[]> {
  const entries = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map<number, number>();
  for (const pid of entries) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined); // it may have ended meanwhile
    // the second field is the program's name in brackets, which may hold spaces; the parent is the second after it
    const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  const family = [root];
  for (const member of family) {
    for (const [pid, parent] of parents) if (parent === member) family.push(pid);
  }
  return family;
}

function kilobytes(text: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
  if (found === undefined) throw new Error(`smaps_rollup has no ${name}`);
  return Number(found);
}
