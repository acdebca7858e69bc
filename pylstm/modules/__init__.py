"""The modules, under torch.nn's own file names: rnn has the layers, module their base."""
