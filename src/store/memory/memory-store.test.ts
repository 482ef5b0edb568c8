import { openMemoryStore } from '#store/memory/memory-store.ts';
import { testStore } from '#store/store.contract.ts';

testStore('memory', (limits) => openMemoryStore(limits));
