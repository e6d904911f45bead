import { expect, test } from 'vitest';
import { type LockHolder, type LockNode, treeOf } from '../../../src/reports/locks.ts';

const holder = (pid: number, ...blockedBy: readonly number[]): LockHolder => ({
  ...{ pid, blockedBy, application: '', role: 'r', state: 'active', transactionSeconds: 1, waitSeconds: null },
  ...{ wants: null, statement: '' },
});

const pids = (nodes: readonly LockNode[]): unknown =>
  nodes.map(({ pid, waiting, isAgain }) => (isAgain ? [pid, 'again'] : [pid, ...(pids(waiting) as unknown[])]));

test('who waits for two stands below both, who waits for nobody and holds up nobody nowhere', () => {
  expect(pids(treeOf([holder(1), holder(2), holder(3, 1, 2), holder(4)]))).toEqual([
    [1, [3]],
    [2, [3]],
  ]);
});

test('a circle has an end in the tree', () => {
  expect(pids(treeOf([holder(1, 2), holder(2, 1)]))).toEqual([[1, [2, [1, 'again']]]]);
});

test('who waits for somebody that has no line, as a prepared transaction, is shown by itself', () => {
  const tree = treeOf([holder(1, 0), holder(2, 1, 9, 9)]);

  expect(pids(tree)).toEqual([[1, [2]]]);
  expect(tree).toMatchObject([{ heldElsewhere: [0], waiting: [{ heldElsewhere: [9] }] }]);
});
