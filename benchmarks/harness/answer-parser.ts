import { Buffer } from 'node:buffer'

/** An answer as it came. `body` is what was framed, without the framing. */
export type WireAnswer = Readonly<{ status: number; head: string; body: Buffer }>

const HEAD_END = '\r\n\r\n'
const LINE_END = '\r\n'

/**
 * Puts one HTTP/1.1 answer together: `push` returns it with the chunk that completes it, and undefined before. Framed by Content-Length
 * or chunked, nothing else. @throws Error for what is no such answer, or goes on behind its end
 * @see RFC 9112, sections 6 and 7.1
 */
export function createAnswerParser(): Readonly<{ push: (chunk: Buffer) => WireAnswer | undefined }> {
  let pending: Buffer = Buffer.alloc(0)
  let head: Head | undefined
  const pieces: Buffer[] = []
  let collected = 0

  function takeHead(): void {
    const end = pending.indexOf(HEAD_END)
    if (end === -1) return
    head = parseHead(pending.toString('latin1', 0, end))
    pending = pending.subarray(end + HEAD_END.length)
  }

  function takeSized(length: number): WireAnswer | undefined {
    keep(pending)
    pending = Buffer.alloc(0)
    if (collected > length) throw new Error('the answer goes on behind its end')
    return collected === length ? answer() : undefined
  }

  function takeChunks(): WireAnswer | undefined {
    for (;;) {
      const lineEnd = pending.indexOf(LINE_END)
      if (lineEnd === -1) return undefined
      const size = Number.parseInt(pending.toString('latin1', 0, lineEnd), 16)
      if (!(size >= 0)) throw new Error('a chunk has no size')
      const end = lineEnd + LINE_END.length + size + LINE_END.length
      if (pending.length < end) return undefined
      if (size === 0) {
        if (pending.length > end) throw new Error('the answer goes on behind its end')
        return answer()
      }
      keep(pending.subarray(lineEnd + LINE_END.length, end - LINE_END.length))
      pending = pending.subarray(end)
    }
  }

  function keep(piece: Buffer): void {
    if (piece.length > 0) pieces.push(piece)
    collected += piece.length
  }

  function answer(): WireAnswer {
    const { status, text } = head as Head
    return { status, head: text, body: pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, collected) }
  }

  return {
    push: (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      if (head === undefined) takeHead()
      if (head === undefined) return undefined
      return head.length === undefined ? takeChunks() : takeSized(head.length)
    },
  }
}

/** `length`: Content-Length, absent for an answer in chunks. */
type Head = Readonly<{ status: number; text: string; length: number | undefined }>

function parseHead(text: string): Head {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]
  if (status === undefined) throw new Error(`no HTTP/1.1 answer: ${text.slice(0, 100)}`)
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
  if (length === undefined && !/\r\ntransfer-encoding: *chunked/i.test(text)) throw new Error('the answer has neither a length nor chunks')
  return { status: Number(status), text, length: length === undefined ? undefined : Number(length) }
}
