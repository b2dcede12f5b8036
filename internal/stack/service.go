package stack

import "context"

// StartService starts a child and returns when readyURL answers 200. If the
// child ends first or the context does, nothing is left running.
func StartService(ctx context.Context, spec ProcessSpec, readyURL string) (*Process, error) {
	process, err := StartProcess(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := process.await(ctx, func() bool { return answers(ctx, readyURL) }); err != nil {
		return nil, err
	}
	return process, nil
}
