import { chmodSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { compareConfigs, compareNamed, isUnchanged } from '../../../server/config/changes.ts'
import { loadConfig } from '../../../server/config/load.ts'
import { changedFiles, markFiles } from '../../../server/config/marks.ts'
import { watchFiles } from '../../../server/config/watch.ts'
import { makePlace, TRUSTED_BOT } from '../../helpers/place.ts'
import { eventually } from '../../helpers/processes.ts'

void t.test('a file has another mark after whatever was done to it', async (t) => {
  const folder = t.testdir({ file: 'one', other: 'one' })
  const [file, link] = [join(folder, 'file'), join(folder, 'link')]
  symlinkSync(file, link)
  const deeds: readonly (readonly [string, () => void])[] = [
    ['written', () => writeFileSync(file, 'two')],
    ['replaced by another', () => renameSync(join(folder, 'other'), file)],
    ['given other permissions', () => chmodSync(file, 0o600)],
    ['removed', () => rmSync(file)],
    ['made anew', () => writeFileSync(file, 'two')],
  ]
  for (const [deed, act] of deeds) {
    // The clock of the file system ticks.
    await sleep(15)
    const before = await markFiles([file, link, folder])
    t.strictSame(changedFiles(before, await markFiles([file, link, folder])), [])
    act()
    const changed = changedFiles(before, await markFiles([file, link, folder]))
    t.ok(changed.includes(file) && changed.includes(link), deed)
  }
  unlinkSync(link)
  symlinkSync(folder, link)
  t.ok(changedFiles(await markFiles([file]), new Map()).includes(file), 'what is not marked any more')
})

void t.test('changes are told when the files have settled, one after the other', async (t) => {
  const folder = t.testdir({ one: '1', two: '1' })
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  const told: (readonly string[])[] = []
  let release: () => void = () => undefined
  const watch = watchFiles({
    marks: await markFiles([one, two]),
    pollMs: 10,
    changed: async (paths) => {
      told.push(paths)
      await new Promise<void>((resolve) => (release = resolve))
    },
  })
  t.teardown(() => watch.close())
  // A pair, of which the second file comes later than one look.
  writeFileSync(one, '2')
  await sleep(60)
  writeFileSync(two, '2')
  await sleep(60)
  t.strictSame(told, [], 'it has not settled')
  await eventually(() => told.length === 1)
  writeFileSync(one, '3')
  await sleep(250)
  t.equal(told.length, 1, 'whoever was told is not done')
  release()
  await eventually(() => told.length === 2)
  t.strictSame(told[1], [one])
  release()
  await sleep(30)
  writeFileSync(two, '4')
  watch.seen(await markFiles([one, two]))
  await sleep(250)
  t.equal(told.length, 2, 'somebody saw it already')
  watch.close()
  writeFileSync(one, '5')
  await sleep(200)
  t.equal(told.length, 2, 'nothing after it was closed')
  const never = watchFiles({ marks: await markFiles([one]), pollMs: 0, changed: async () => void t.fail('nobody looks') })
  writeFileSync(one, '6')
  await sleep(30)
  never.close()
})

void t.test('two configurations differ in members, and lists in names', async (t) => {
  const place = await makePlace(t)
  const before = await loadConfig(place.configure())
  t.strictSame(compareConfigs(before, before), { reloadable: [], restart: [] })
  const after = await loadConfig(place.configure({ clients: [TRUSTED_BOT], listen: { port: 6000 }, limits: { uploads: 9 }, roots: [{ name: 'nim', path: 'packages' }, { name: 'other', path: 'packages' }] }))
  t.strictSame(compareConfigs(before, after), { reloadable: ['roots', 'clients'], restart: ['listen', 'limits'] })
  t.strictSame(after.files, ['server.pem', 'server.key', 'ca.pem', 'ca.crl', '1001.pem'].map((name) => join(place.folder, name)))
  const refused = await loadConfig(place.configure({ keys: [{ keyid: '1001', kind: 'file', path: 'later.pem' }] })).catch((error: unknown) => error)
  t.match(refused, { files: [...after.files.slice(0, 4), join(place.folder, 'later.pem')] })
  const changes = compareNamed(before.clients, after.clients, { nameOf: ({ name }) => name })
  t.strictSame(changes, { added: [], removed: ['auditor'], changed: ['release-bot'] })
  t.equal(isUnchanged(changes), false)
  t.strictSame(compareNamed(after.clients, before.clients, { nameOf: ({ name }) => name, isSame: () => true }), { added: ['auditor'], removed: [], changed: [] })
  t.equal(isUnchanged(compareNamed(before.clients, before.clients, { nameOf: ({ name }) => name })), true)
})
