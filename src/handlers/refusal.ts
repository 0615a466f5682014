import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { HttpProblem, toProblem } from './problems.ts';

/** What is answered before the app sees a request: what it could not be asked, or what HTTP itself forbids. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A problem, as JSON. */
  readonly body: string;
}

/** As a problem that ends its connection: what follows on it cannot be trusted to be a request. */
export function refusalOf(error: unknown, request: { path: string; requestId: string }): Refusal {
  const { problem, headers } = toProblem(error, request);
  const body = JSON.stringify(problem);
  return {
    status: problem.status,
    code: problem.code,
    body,
    headers: {
      ...headers,
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'x-request-id': request.requestId,
      connection: 'close',
    },
  };
}

/** The whole answer as text, for a connection on which Node has made no response object. */
export function refusalText({ status, headers, body }: Refusal): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** The problem of what Node's parser or its clocks found wrong. */
export function parserProblem({ code }: { code?: string | undefined }): HttpProblem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HttpProblem('HEADERS_TOO_LARGE', 'Address and headers together may have 16 KiB.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpProblem('REQUEST_TIMEOUT', 'The request had not come within its time.');
    default:
      return new HttpProblem('MALFORMED_REQUEST', 'This is no proper HTTP/1.1 request.');
  }
}

/** Why a request whose head could be read is no request for the app; undefined when it is one. */
export function headProblem({ httpVersion, rawHeaders, headers }: IncomingMessage): HttpProblem | undefined {
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length;
  if (hosts > 1) return new HttpProblem('MALFORMED_REQUEST', 'The header Host is given more than once.');
  if (hosts === 0 && httpVersion !== '1.0') return new HttpProblem('MALFORMED_REQUEST', 'The header Host is missing.');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked') {
    return new HttpProblem('MALFORMED_REQUEST', 'Of transfer encodings only chunked is read.');
  }
  return undefined;
}
