import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { openDatabase } from '../../../server/store/open-database.ts'
import { openStore } from '../../../server/store/open.ts'
import { KEEP_MS, recording, TEST_LOG } from '../../helpers/store.ts'

/**
 * A process that records: `node record-process.ts <store url> <log key> <signatures> [signature file]`. Prints the id of each signature
 * once its promise has resolved, then `done`, and stays until its standard input ends.
 */
const [url, logKey, signatures, signatureFile] = process.argv.slice(2) as [string, string, string, string | undefined]
const identity = { ...TEST_LOG, privateKey: createPrivateKey(readFileSync(logKey)), verifierKey: readFileSync(`${logKey}.pub`, 'utf8') }
const store = await openStore({ url, identity, keepMs: KEEP_MS, signatureFile }, openDatabase)
for (let made = 0; made < Number(signatures); made += 10) {
  await Promise.all(Array.from({ length: 10 }, async (_, index) => {
    const { subject, signature } = recording({ relativePath: `${process.pid}/${made + index}.bff` })
    const { kind } = await store.record(subject, signature)
    if (kind !== 'recorded') throw new Error(`${signature.id} was not recorded: ${kind}`)
    process.stdout.write(`${signature.id}\n`)
  }))
  // A read between the writes: the transaction that follows must not build on a snapshot that another process has made old.
  await store.signedAmong('nim', [{ relativePath: `${process.pid}/0.bff`, sizeBytes: 1, modifiedAtMs: 1 }])
}
process.stdout.write('done\n')
process.stdin.resume().on('end', () => void store.close())
