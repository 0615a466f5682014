/** One server-sent event. */
export interface StreamedEvent {
  /** What to send as `Last-Event-ID` to go on after it; that of an earlier event where this one has none. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/**
 * The events of a `text/event-stream`, as they come; `onBytes` is told of every piece that arrives, also of comments, which only
 * say that the connection lives. An event that is cut off by the end of the stream is not told. Leaving the loop closes the stream.
 */
export async function* readEvents(
  stream: ReadableStream<Uint8Array>,
  onBytes: () => void = () => {},
): AsyncGenerator<StreamedEvent, void, void> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let pending = '';
  let id = '';
  let fields = noFields();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      const lines = (pending + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      pending = lines.pop() ?? '';
      for (const line of lines) {
        if (line !== '') {
          const [name, content] = fieldOf(line);
          if (name === 'data') fields.data.push(content);
          else if (name === 'event') fields.event = content;
          else if (name === 'id' && !content.includes('\0')) id = content;
          continue;
        }
        const { data, event } = fields;
        fields = noFields();
        if (data.length > 0) yield { id, event, data: data.join('\n') };
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // a stream that broke cannot be closed
  }
}

function noFields(): { data: string[]; event: string } {
  return { data: [], event: 'message' };
}

/** `name: content`; of a comment the name is empty. */
function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  if (colon === -1) return [line, ''];
  const content = line.slice(colon + 1);
  return [line.slice(0, colon), content.startsWith(' ') ? content.slice(1) : content];
}
