import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { writePackage } from '../../../formats/index.ts'
import { sniff } from '../../../server/packages/sniff.ts'
import { PACKAGE } from '../../helpers/signables.ts'

void t.test('sniff tells formats apart by the first bytes, whatever the name and the rest', async (t) => {
  const path = join(t.testdir({}), 'PkgA.bff')
  const bytes = writePackage(PACKAGE)
  const table: readonly [string, Buffer, string][] = [
    ['a package', bytes, 'installp'], ['the head of a package', bytes.subarray(0, 100), 'installp'], ['four bytes of a package', bytes.subarray(0, 4), 'installp'], ['a damaged package', Buffer.concat([bytes.subarray(0, 72), Buffer.alloc(4000, 0xff)]), 'installp'],
    ['a table of contents', Buffer.from('0 010203042026 2\n'), 'toc'], ['an empty file', Buffer.alloc(0), 'other'], ['text', Buffer.from('hello\n'), 'other'], ['three bytes of a package', bytes.subarray(0, 3), 'other'],
  ]
  for (const [name, content, want] of table) {
    await writeFile(path, content)
    const handle = await open(path)
    t.equal(await sniff(handle.fd), want, name)
    t.equal((await handle.readFile()).length, content.length, 'the position of the handle is not moved')
    await handle.close()
  }
})

void t.test('sniff hands on what is no fault of the format', async (t) => {
  const handle = await open(t.testdir({}))
  await t.rejects(sniff(handle.fd), { code: 'EISDIR' })
  await handle.close()
})
