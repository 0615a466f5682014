import { connect, type Socket } from 'node:net';
import { ProblemSchema } from '../src/handlers/schemas.ts';

/** An answer as it came over the wire. */
export interface RawAnswer {
  /** 0 when the connection ended without one. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Opens a connection, for clients that no library would let be written. */
export function connectTo(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect(Number(port), hostname);
}

/** Sends bytes as they are, one character a byte, and reads until the other side ends the connection. */
export async function rawRequest(url: string, text: string): Promise<RawAnswer> {
  const socket = connectTo(url);
  socket.write(Buffer.from(text, 'latin1'));
  return answerOn(socket);
}

/** Everything that comes on a connection until it ends; an interim answer (100) is left out. */
export async function answerOn(socket: Socket): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) chunks.push(chunk);
  } catch {
    // what is reset had its answer before, or none
  }
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/^HTTP\/1\.1 100 [^\r]*\r\n\r\n/, '');
  const [head = '', body = ''] = splitOnce(text, '\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const [name = '', value = ''] = splitOnce(line, ':');
      return [name.toLowerCase(), value.trim()];
    }),
  );
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0), headers, body };
}

/** The problem of an answer that must be one. */
export function problemOn({ status, headers, body }: RawAnswer) {
  if (headers['content-type'] !== 'application/problem+json') throw new Error(`no problem but ${status} ${body}`);
  const chunked = headers['transfer-encoding'] === 'chunked';
  const problem = ProblemSchema.parse(
    JSON.parse(chunked ? body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1) : body),
  );
  if (problem.status !== status) throw new Error(`status ${status}, the problem says ${problem.status}`);
  return problem;
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
