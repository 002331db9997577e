import type { FileHandle } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'

/**
 * Yields the lines of an open file from its beginning, UTF-8, without their ends; a last one without an end too. Not node:readline, which also ends
 * a line at U+2028: that may stand in the name of a file.
 */
export async function* linesOf(handle: FileHandle): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of handle.createReadStream({ start: 0, autoClose: false })) {
    const lines = (rest + decoder.write(chunk as Buffer)).split('\n')
    rest = lines.pop()!
    yield* lines
  }
  if (rest !== '') yield rest
}
