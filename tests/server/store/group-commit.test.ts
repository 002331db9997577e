import t from 'tap'
import { GROUP_ITEMS_MAX, GroupCommit } from '../../../server/store/group-commit.ts'

/** A writer that keeps what it was given. `refuse` throws for a group that must fail. */
function recordingWriter(refuse: (items: readonly number[]) => void = () => undefined) {
  const groups: (readonly number[])[] = []
  const group = new GroupCommit<number, string>({
    commit: async (items) => {
      groups.push(items)
      refuse(items)
      return items.map((item) => `result of ${item}`)
    },
    isItemFault: (cause) => cause instanceof RangeError,
  })
  return { group, groups }
}

const range = (length: number) => Array.from({ length }, (_, index) => index)

void t.test('items of the same moment are committed together, up to the limit of a group', async (t) => {
  const { group, groups } = recordingWriter()
  const results = await Promise.all(range(GROUP_ITEMS_MAX + 3).map((item) => group.add(item)))
  t.same(results, range(GROUP_ITEMS_MAX + 3).map((item) => `result of ${item}`), 'each with its own result')
  t.same(groups.map(({ length }) => length), [GROUP_ITEMS_MAX, 3])
  t.same(groups.flat(), range(GROUP_ITEMS_MAX + 3), 'in the order in which they came')
})

void t.test('items that arrive during a commit wait for it and are the next group', async (t) => {
  const gate = Promise.withResolvers<void>()
  const started = Promise.withResolvers<void>()
  const events: string[] = []
  const group = new GroupCommit<string, undefined>({
    commit: async (items) => {
      events.push(`begin ${items.join()}`)
      started.resolve()
      await gate.promise
      events.push(`end ${items.join()}`)
      return items.map(() => undefined)
    },
    isItemFault: () => false,
  })
  const first = group.add('a').then(() => events.push('a is durable'))
  await started.promise
  const others = [group.add('b'), group.add('c')]
  gate.resolve()
  await Promise.all([first, ...others])
  t.same(events, ['begin a', 'end a', 'a is durable', 'begin b,c', 'end b,c'])
})

void t.test('an item at fault does not spoil the others of its group', async (t) => {
  const { group, groups } = recordingWriter((items) => {
    if (items.includes(1)) throw new RangeError('one is bad')
  })
  const results = await Promise.allSettled([0, 1, 2].map((item) => group.add(item)))
  t.match(results, [{ value: 'result of 0' }, { status: 'rejected', reason: RangeError }, { value: 'result of 2' }])
  t.same(groups, [[0, 1, 2], [0], [1], [2]], 'and is tried alone only once')
})

void t.test('a fault of the disk fails the whole group at once', async (t) => {
  const { group, groups } = recordingWriter(() => {
    throw new Error('no disk')
  })
  const results = await Promise.allSettled([0, 1].map((item) => group.add(item)))
  t.same(results.map(({ status }) => status), ['rejected', 'rejected'])
  t.same(groups, [[0, 1]])
})

void t.test('settled resolves after everything that was added, also when nothing was', async (t) => {
  const { group, groups } = recordingWriter()
  await group.settled()
  t.same(groups, [])
  void group.add(1)
  await group.settled()
  t.same(groups, [[1]])
  await group.add(2)
  t.same(groups, [[1], [2]], 'and the next item starts a new run')
})
