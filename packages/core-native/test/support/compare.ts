// The comparator lives with the self-test, which ships; tests use the same one.
export * from "../../src/self-test/compare.js";
