import { openStore } from '../../../server/store/open.ts'
import { catalogueEntry } from '../../helpers/catalogue-entry.ts'

/**
 * A process that records: `node record-process.ts <store url> <entries> [signature file]`. Prints the id of each signature once its
 * promise has resolved, then `done`, and stays until its standard input ends.
 */
const [url, entries, signatureFile] = process.argv.slice(2) as [string, string, string | undefined]
const store = await openStore({ url, signatureFile })
for (let made = 0; made < Number(entries); made += 10) {
  await Promise.all(Array.from({ length: 10 }, async (_, index) => {
    const entry = catalogueEntry({ relativePath: `${process.pid}/${made + index}.bff` })
    await store.record(entry)
    process.stdout.write(`${entry.signature.id}\n`)
  }))
  // A read between the writes: the transaction that follows must not build on a snapshot that another process has made old.
  await store.signedAmong('nim', [{ relativePath: `${process.pid}/0.bff`, sizeBytes: 1, modifiedAtMs: 1 }])
}
process.stdout.write('done\n')
process.stdin.resume().on('end', () => void store.close())
