import { ConnectionError } from './problem.ts'

const NEWLINE = 0x0a

/**
 * Yields the lines of an NDJSON answer, without their newline, as they become complete; the chunks may be cut anywhere, in the middle
 * of a character too. A line is UTF-8 of at most `maxLineBytes` and ends with a newline, the last one as well.
 * @throws ConnectionError `ANSWER_CUT_OFF` when the last line has no newline, `ANSWER_NOT_UNDERSTOOD` for a longer line or bytes that are not UTF-8
 * @see https://github.com/ndjson/ndjson-spec
 */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<string, void, undefined> {
  let parts: Uint8Array[] = []
  let partsBytes = 0
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const last = chunk.subarray(start, end)
      checkLength(partsBytes + last.length, maxLineBytes)
      yield decodeUtf8([...parts, last])
      parts = []
      partsBytes = 0
      start = end + 1
    }
    const rest = chunk.subarray(start)
    partsBytes += rest.length
    checkLength(partsBytes, maxLineBytes)
    if (rest.length > 0) parts.push(rest)
  }
  if (partsBytes > 0) throw new ConnectionError('ANSWER_CUT_OFF', 'the answer ended in the middle of a line')
}

function checkLength(bytes: number, maxLineBytes: number): void {
  if (bytes > maxLineBytes) throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer has a line of more than ${maxLineBytes} bytes`)
}

/**
 * Returns the text of bytes that are UTF-8; a byte order mark stays, for JSON to refuse.
 * @throws ConnectionError `ANSWER_NOT_UNDERSTOOD` when they are not
 */
export function decodeUtf8(parts: readonly Uint8Array[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts))
  } catch (cause) {
    throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', 'the answer is not UTF-8', { cause })
  }
}
