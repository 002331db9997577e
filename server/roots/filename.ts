import { SigningError } from '../errors.ts'
import { isPrintableName } from './resolve.ts'

const MAX_NAME_BYTES = 255

/**
 * Returns the base name that a client gave to a file it sends or describes: one part of a path, printable, in any script.
 * @throws SigningError `FILE_NAME_REFUSED`
 */
export function parseFilename(name: string): string {
  const fault = filenameFault(name)
  if (fault !== undefined) throw new SigningError('FILE_NAME_REFUSED', `the file name ${fault}`)
  return name
}

function filenameFault(name: string): string | undefined {
  if (!isPrintableName(name)) return 'has a control character or is not well-formed Unicode'
  if (/[/\\]/.test(name)) return 'has a path separator'
  if (name === '' || name === '.' || name === '..') return 'names no file'
  return Buffer.byteLength(name) > MAX_NAME_BYTES ? `is longer than ${MAX_NAME_BYTES} bytes` : undefined
}
