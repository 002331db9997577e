import { stat } from 'node:fs/promises'
import { KeyFaults } from './key-faults.ts'
import { firstLine, withKeyFile } from './key-file.ts'

/** A PIN, and the mark of the file it was read from: another one when the file was replaced or changed. The mark says nothing of the PIN. */
export type Pin = Readonly<{ pin: string; mark: string }>

async function markOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new KeyFaults([`${path} cannot be read (${cause.code})`], { cause })
  })
  return [dev, ino, size, mtimeNs].join(':')
}

/**
 * Resolves with the PIN in the first line of a file that nobody else can read, in UTF-8. The bytes of the file are overwritten; the PIN
 * itself is a string, as pkcs11js wants it, and lives until the collector takes it: one reason why this runs in a process of its own.
 * @throws KeyFaults
 */
export async function readPin(path: string): Promise<Pin> {
  const mark = await markOf(path)
  const pin = await withKeyFile(path, 'secret', (bytes) => firstLine(bytes).toString())
  if (pin === '') throw new KeyFaults([`the first line of ${path} is empty; it must be the PIN`])
  // A mark of one PIN with the text of another would let a wrong PIN be tried again.
  if ((await markOf(path)) !== mark) throw new KeyFaults([`${path} was changed while it was read`])
  return { pin, mark }
}
