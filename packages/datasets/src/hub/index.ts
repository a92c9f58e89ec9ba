// The Hub client is a package of its own, so that models can use it without datasets; this is its public surface.
export * from "@node-bert/hub";
