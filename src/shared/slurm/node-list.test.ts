import { describe, expect, it } from 'vitest';
import { expandNodeList } from './node-list.js';

describe('a list of nodes', () => {
  it.each([
    ['node1', ['node1']],
    ['node1,node2', ['node1', 'node2']],
    ['node[1-3]', ['node1', 'node2', 'node3']],
    ['gpu[08-10,12]', ['gpu08', 'gpu09', 'gpu10', 'gpu12']],
    ['a[1,3],b,c[2-3]-ib', ['a1', 'a3', 'b', 'c2-ib', 'c3-ib']],
    ['rack[1-2]n[01-02]', ['rack1n01', 'rack1n02', 'rack2n01', 'rack2n02']],
    ['', []],
  ])('%s', (list, nodes) => {
    expect(expandNodeList(list)).toEqual(nodes);
  });
});
