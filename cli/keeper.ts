import { basename, join, resolve } from 'node:path'
import { attachDsb, writeNewFile, type Destination } from '../sdk/local.ts'
import type { Invocation } from './invocation.ts'
import type { Keeper } from './keep.ts'
import type { Session } from './session.ts'

/**
 * Returns what `--attach` and `--detach` do with each signature.
 * Attached is the block that the server makes of the signature: to NAME.signed beside the package, to DIRECTORY/NAME, or in place.
 */
export function createKeeper({ client, terminal, io }: Session, own: Invocation['own']): Keeper {
  const directory = typeof own['outputDir'] === 'string' ? resolve(io.cwd, own['outputDir']) : undefined
  const beside = (path: string, ending: string): string => (directory === undefined ? path : join(directory, basename(path))) + ending
  const destination = (path: string): Destination => {
    if (own['inPlace'] === true) return { inPlace: true }
    return { output: beside(path, directory === undefined ? '.signed' : '') }
  }
  const attach: Keeper = async (path, { id, sha256 }) => {
    const { bytes } = await client.exportSignature({ id, form: 'dsb' }, { signal: io.signal })
    const written = await attachDsb(path, bytes, { ...destination(path), sha256, replace: own['replace'] === true, signal: io.signal })
    terminal.note(`attached: ${written}`)
  }
  return async (path, signature) => {
    // Before the package itself can change.
    if (own['detach'] === true) {
      await writeNewFile(beside(path, '.sig'), Buffer.from(signature.signature, 'base64'))
      terminal.note(`detached: ${beside(path, '.sig')}`)
    }
    if (own['attach'] === true) await attach(path, signature)
  }
}
